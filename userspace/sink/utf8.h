// SPDX-License-Identifier: Apache-2.0
// How long the UTF-8 sequence at a position is: RFC 3629 section 4. The JSON writer replaces what is none, the
// configuration loader refuses it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace mtlswatch {

/// Bytes of the well-formed UTF-8 sequence that text begins with; 0 if there is none (empty, stray continuation,
/// overlong form, surrogate, beyond U+10FFFF, cut).
inline std::size_t utf8_sequence_bytes(std::string_view text) {
  if (text.empty()) return 0;
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  const std::size_t bytes = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (text.size() < bytes) return 0;
  const std::uint8_t lowest = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  const std::uint8_t highest = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  if (byte(1) < lowest || byte(1) > highest) return 0;
  for (std::size_t i = 2; i < bytes; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  return bytes;
}

}  // namespace mtlswatch
