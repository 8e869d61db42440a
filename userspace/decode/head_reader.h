// SPDX-License-Identifier: Apache-2.0
// What the fields of one request head say -> RequestHead and how its body is framed, whatever protocol brought them. Made
// for each head by the parsers of HTTP/1.x and of the uwsgi protocol.
#pragma once

#include <cstdint>
#include <string_view>

#include "userspace/decode/header_fields.h"
#include "userspace/decode/request_line.h"
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

class HeadReader {
 public:
  RequestHead& head() { return parsed_.head; }
  void read_target(const Target& target, bool complete);
  /// The next header field. name: as sent.
  void read_field(Field field, std::string_view name, std::string_view value);
  /// complete: the head's end was seen. An identity header that is too long or one too many was dropped and makes the
  /// head kCut, so that nobody concludes from its absence.
  ParsedHead finish(bool complete);

 private:
  void read_length(std::string_view value);
  void read_encoding(std::string_view value);
  void read_identity(std::string_view name, std::string_view value);

  ParsedHead parsed_;
  bool host_known_ = false;
  bool has_length_ = false, lengths_differ_ = false, length_invalid_ = false;
  std::uint64_t length_ = 0;
  bool has_encoding_ = false, chunked_ = false;
  bool dropped_ = false;
};

}  // namespace mtlswatch
