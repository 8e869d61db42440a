// SPDX-License-Identifier: Apache-2.0
// Bytes as upper-case hexadecimal, the form ECS asks for serial numbers and hashes.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace mtlswatch {

inline std::string to_hex(std::span<const std::uint8_t> bytes) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 0xf]);
  }
  return text;
}

}  // namespace mtlswatch
