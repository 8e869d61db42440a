// SPDX-License-Identifier: Apache-2.0
// Bytes of a complete or cut request head -> RequestHead and how its body is framed, for the protocols a backend may
// speak: HTTP/1.x and uwsgi. Only headers on the allow-list leave it. Owned by the decoder and the scrubber, shared by
// their framers.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "userspace/decode/byte_mask.h"
#include "userspace/decode/head_reader.h"
#include "userspace/decode/header_fields.h"

namespace mtlswatch {

/// How far the head at the front of a buffer reaches.
struct HeadExtent {
  std::size_t end = 0;    ///< index after it; 0: its end has not come
  bool rejected = false;  ///< no head of a protocol that is known
};

/// What is said of a prefix stays true when more arrives. searched: so many bytes were there the last time.
HeadExtent measure_head(std::string_view text, std::size_t searched);

class HeadParser {
 public:
  explicit HeadParser(const std::vector<std::string>& identity_headers) : fields_(identity_headers) {}

  /// Reads a head from its first byte. complete: text ends with the head's end; else it is cut, and neither an
  /// unfinished target nor an unfinished last field is told.
  ParsedHead parse(std::string_view text, bool complete) const;

  /// Whether heads are printed for the content witness: HTTP/1.x alone.
  void print_heads(bool print) { prints_ = print; }

  /// Marks what of this head, or beginning of one, may be recorded.
  void keep(std::string_view text, const BufferMask& mask) const;

 private:
  HeaderFields fields_;
  bool prints_ = false;
};

}  // namespace mtlswatch
