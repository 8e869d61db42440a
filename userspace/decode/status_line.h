// SPDX-License-Identifier: Apache-2.0
// The front of an HTTP/1.x status line: RFC 9112 section 4. Used by the stream reader.
#pragma once

#include <cstddef>
#include <string_view>

#include "userspace/decode/characters.h"

namespace mtlswatch {

inline constexpr std::size_t kStatusBytes = 12;  ///< "HTTP/1.1 200"

/// The status code, 100 to 599 and beyond up to 999; 0 if text begins with no status line.
inline int read_status(std::string_view text) {
  if (text.size() < kStatusBytes || !text.starts_with("HTTP/1.") || !is_digit(text[7]) || text[8] != ' ') return 0;
  if (text[9] == '0' || !is_digit(text[9]) || !is_digit(text[10]) || !is_digit(text[11])) return 0;
  return (text[9] - '0') * 100 + (text[10] - '0') * 10 + (text[11] - '0');
}

/// 1xx, of which another status follows. 101 is final: the connection changes its protocol.
inline bool is_interim(int status) { return status >= 100 && status < 200 && status != 101; }

}  // namespace mtlswatch
