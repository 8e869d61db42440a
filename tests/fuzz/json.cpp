// SPDX-License-Identifier: Apache-2.0
// Any bytes become one JSON string on one line, and what was printable comes out as it went in.
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "userspace/sink/json_writer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  fmt::memory_buffer buffer;
  mtlswatch::append_json_string(buffer, text);
  const std::string written = fmt::to_string(buffer);
  const auto value = nlohmann::json::parse(written, nullptr, false);
  if (!value.is_string() || written.find('\n') != std::string::npos) std::abort();
  bool is_ascii = true;
  for (const char character : text) is_ascii &= static_cast<signed char>(character) >= 0;
  if (is_ascii && value.get<std::string>() != text) std::abort();
  return 0;
}
