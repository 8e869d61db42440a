// SPDX-License-Identifier: Apache-2.0
// Any text is a configuration or an error with its place; what is read is written back, and then reads as the same.
#include <cstdlib>
#include <string>

#include "userspace/app/config_loader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace mtlswatch;
  const auto config = parse_config({reinterpret_cast<const char*>(bytes), size}, "input");
  if (!config) {
    if (!config.error().message.starts_with("input")) std::abort();
    return 0;
  }
  const std::string written = effective_config(*config);
  const auto again = parse_config(written, "written");
  if (!again || effective_config(*again) != written) std::abort();
  return 0;
}
