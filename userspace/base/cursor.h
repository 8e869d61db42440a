// SPDX-License-Identifier: Apache-2.0
// The only way to touch bytes from the wire: a position in a span that cannot leave it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace mtlswatch {

/// Reads big-endian integers and sub-spans from the front of a byte span. Every read that would pass the end
/// returns nothing and leaves the cursor where it was.
class Cursor {
 public:
  explicit Cursor(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

  std::size_t left() const { return bytes_.size(); }
  bool done() const { return bytes_.empty(); }
  std::span<const std::uint8_t> rest() const { return bytes_; }

  /// Unsigned big-endian integer of 1 to 4 bytes.
  std::optional<std::uint32_t> integer(std::size_t width) {
    const auto field = take(width);
    if (!field) return std::nullopt;
    std::uint32_t value = 0;
    for (const std::uint8_t byte : *field) value = value << 8 | byte;
    return value;
  }

  /// The next count bytes.
  std::optional<std::span<const std::uint8_t>> take(std::size_t count) {
    if (count > bytes_.size()) return std::nullopt;
    const auto field = bytes_.first(count);
    bytes_ = bytes_.subspan(count);
    return field;
  }

  /// A field that begins with its own length, itself of width bytes (TLS vectors, RFC 8446 section 3.4).
  std::optional<std::span<const std::uint8_t>> vector(std::size_t width) {
    const auto saved = bytes_;
    const auto length = integer(width);
    const auto field = length ? take(*length) : std::nullopt;
    if (!field) bytes_ = saved;
    return field;
  }

 private:
  std::span<const std::uint8_t> bytes_;
};

}  // namespace mtlswatch
