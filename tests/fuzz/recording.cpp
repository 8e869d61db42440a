// SPDX-License-Identifier: Apache-2.0
// The payloads of a recording's frames: what is read can be written, and then reads as the same.
#include <cstdlib>
#include <string>

#include "userspace/ring/recorded_process.h"
#include "userspace/ring/recording.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace mtlswatch;
  const std::span<const std::uint8_t> payload(bytes, size);
  if (const auto header = decode_header(payload)) {
    const std::string text = encode_header(*header);
    const auto again = decode_header({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
    if (!again || !(*again == *header)) std::abort();
  }
  if (const auto facts = decode_process(payload)) {
    const auto again = decode_process(encode_process(*facts));
    if (!again || !(*again == *facts)) std::abort();
  }
  const auto now_ns = decode_tick(payload);
  if (now_ns && encode_tick(*now_ns) != std::vector<std::uint8_t>(payload.begin(), payload.end())) std::abort();
  return 0;
}
