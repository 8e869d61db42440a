// SPDX-License-Identifier: Apache-2.0
// Character classes of HTTP (RFC 9110 section 5.6) and folding of header names. For the parsers of this stage.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace mtlswatch {

inline std::string_view as_text(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline char lower(char byte) { return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte + ('a' - 'A')) : byte; }
inline bool is_digit(char byte) { return byte >= '0' && byte <= '9'; }
inline bool is_alphabetic(char byte) { return lower(byte) >= 'a' && lower(byte) <= 'z'; }
inline bool is_printable(char byte) { return byte >= 0x20 && byte < 0x7f; }

/// White space or a control character: what no request target holds. Bytes from 0x80 on are tolerated.
inline bool is_control_or_space(char byte) { return static_cast<std::uint8_t>(byte) <= 0x20 || byte == 0x7f; }

/// tchar of RFC 9110 section 5.6.2.
inline bool is_token(char byte) {
  return is_digit(byte) || is_alphabetic(byte) ||
         (byte != '\0' && std::string_view("!#$%&'*+-.^_`|~").find(byte) != std::string_view::npos);
}

inline bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char byte) { return is_token(byte); });
}

inline std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

inline std::string lowered(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), lower);
  return out;
}

/// The spelling under which header names compare equal: lower case, '_' as '-' (CGI and WSGI cannot tell them apart).
inline std::string folded_name(std::string_view name) {
  std::string out = lowered(name);
  std::replace(out.begin(), out.end(), '_', '-');
  return out;
}

}  // namespace mtlswatch
