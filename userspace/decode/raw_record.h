// SPDX-License-Identifier: Apache-2.0
// A raw record of the ring, checked: kind known, sizes consistent. The bytes may lie at any alignment, so fixed parts
// are copied out. Used by the decoder and the scrubber; nothing else reads raw records.
#pragma once

#include <mtlswatch/event.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

namespace mtlswatch {

/// The record's header, if its kind is known and its size is at least that kind's and fits in the bytes.
inline std::optional<mtlswatch_header> read_header(std::span<const std::uint8_t> record) {
  static constexpr std::size_t kSizes[MTLSWATCH_KIND_COUNT] = {0,
                                                               sizeof(mtlswatch_connection),
                                                               sizeof(mtlswatch_io),
                                                               sizeof(mtlswatch_close),
                                                               sizeof(mtlswatch_handshake),
                                                               sizeof(mtlswatch_certificate),
                                                               sizeof(mtlswatch_process),
                                                               sizeof(mtlswatch_connection),
                                                               sizeof(mtlswatch_session),
                                                               sizeof(mtlswatch_stream),
                                                               sizeof(mtlswatch_content)};
  mtlswatch_header header;
  if (record.size() < sizeof header) return std::nullopt;
  std::memcpy(&header, record.data(), sizeof header);
  if (header.kind == 0 || header.kind >= MTLSWATCH_KIND_COUNT) return std::nullopt;
  if (header.size > record.size() || header.size < kSizes[header.kind]) return std::nullopt;
  return header;
}

/// Fixed part of a record that read_header accepted as this kind.
template <typename Record>
Record read_fixed(std::span<const std::uint8_t> record) {
  Record fixed;
  std::memcpy(&fixed, record.data(), sizeof fixed);
  return fixed;
}

/// An io record's captured bytes; nothing if it claims more than it has, or than the call moved.
inline std::optional<std::span<const std::uint8_t>> io_data(std::span<const std::uint8_t> record,
                                                            const mtlswatch_io& io) {
  if (io.captured_bytes > io.header.size - sizeof io || io.captured_bytes > io.length) return std::nullopt;
  if (io.captured_bytes > MTLSWATCH_IO_DATA_BYTES) return std::nullopt;
  return record.subspan(sizeof io, io.captured_bytes);
}

/// Likewise of what was read from a client.
inline std::optional<std::span<const std::uint8_t>> content_data(std::span<const std::uint8_t> record,
                                                                 const mtlswatch_content& content) {
  if (content.captured_bytes > content.header.size - sizeof content || content.captured_bytes > content.length) return std::nullopt;
  if (content.captured_bytes > MTLSWATCH_CONTENT_DATA_BYTES) return std::nullopt;
  return record.subspan(sizeof content, content.captured_bytes);
}

/// A certificate part's bytes; nothing if they do not lie inside the certificate.
inline std::optional<std::span<const std::uint8_t>> certificate_data(std::span<const std::uint8_t> record,
                                                                     const mtlswatch_certificate& part) {
  if (part.captured_bytes > MTLSWATCH_CERTIFICATE_DATA_BYTES || part.captured_bytes > part.length) return std::nullopt;
  if (part.offset > part.length - part.captured_bytes) return std::nullopt;
  if (part.captured_bytes != 0 && part.length > MTLSWATCH_CERTIFICATE_BYTES) return std::nullopt;
  return record.subspan(offsetof(mtlswatch_certificate, data), part.captured_bytes);
}

}  // namespace mtlswatch
