// SPDX-License-Identifier: Apache-2.0
// Bytes of a complete or cut request head -> RequestHead and how its body is framed. Only headers on the allow-list
// leave it. Owned by the decoder and the scrubber, shared by their framers; stateless once made.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "userspace/decode/byte_mask.h"
#include "userspace/model/http.h"

namespace mtlswatch {

inline constexpr std::size_t kHeaderValueBytes = 4096;  ///< longest identity header that is kept
inline constexpr std::size_t kIdentityHeadersKept = 32;
inline constexpr std::size_t kIdentifierBytes = 128;  ///< longest X-Request-ID, X-Correlation-ID that is kept

/// How the bytes after a head belong to it: RFC 9112 section 6.3.
struct BodyFraming {
  enum class Kind { kNone, kLength, kChunked, kUnknown } kind = Kind::kNone;
  std::uint64_t length_bytes = 0;
};

struct ParsedHead {
  RequestHead head;
  BodyFraming body;
};

class HeadParser {
 public:
  /// identity_headers: names to keep, any spelling. Cookie and authorization headers are never kept.
  explicit HeadParser(const std::vector<std::string>& identity_headers);

  /// Reads a head from its first byte. complete: text ends with the head's blank line; else it is cut, and neither an
  /// unfinished target nor an unfinished last line is told. An identity header that is too long or one too many is
  /// dropped and makes the head kCut, so that nobody concludes from its absence.
  ParsedHead parse(std::string_view text, bool complete) const;

  /// Marks what of this head, or beginning of one, may be recorded.
  void keep(std::string_view text, const BufferMask& mask) const;

 private:
  enum class Field {
    kOther,
    kHost,
    kContentLength,
    kTransferEncoding,
    kRequestId,
    kCorrelationId,
    kTraceParent,
    kIdentity
  };
  class Reader;

  Field field_of(std::string_view name) const;
  void keep_field(std::string_view line, std::size_t at, bool& value_kept, const BufferMask& mask) const;

  std::unordered_set<std::string> identity_headers_;  ///< folded
  std::size_t longest_name_ = 0;
};

}  // namespace mtlswatch
