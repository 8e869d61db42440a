// SPDX-License-Identifier: Apache-2.0
// Little-endian integers in byte strings, whatever the host's order. Used by the recording's readers and writers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

namespace mtlswatch {

template <typename T>
void append_integer(std::vector<std::uint8_t>& bytes, T value) {
  static_assert(std::is_unsigned_v<T>);
  for (std::size_t index = 0; index < sizeof(T); ++index)
    bytes.push_back(static_cast<std::uint8_t>(value >> (8 * index)));
}

/// bytes: at least sizeof(T) of them.
template <typename T>
T load_integer(const std::uint8_t* bytes) {
  static_assert(std::is_unsigned_v<T>);
  T value = 0;
  for (std::size_t index = 0; index < sizeof(T); ++index)
    value |= static_cast<T>(static_cast<T>(bytes[index]) << (8 * index));
  return value;
}

}  // namespace mtlswatch
