// SPDX-License-Identifier: Apache-2.0
#include "userspace/policy/request_path.h"

#include <algorithm>
#include <cctype>

namespace mtlswatch {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool is_unreserved(int c) { return c < 0x80 && (std::isalnum(c) != 0 || c == '-' || c == '.' || c == '_' || c == '~'); }

bool is_plain(char c) { return c > ' ' && c < 0x7f && std::string_view("\\;?#*").find(c) == std::string_view::npos; }

/// Segments between the slashes; only the last may be empty ("/orders/").
bool has_doubtful_segment(std::string_view path) {
  for (std::size_t start = 1; start <= path.size();) {
    const std::size_t end = std::min(path.find('/', start), path.size());
    const std::string_view segment = path.substr(start, end - start);
    const bool is_empty = segment.empty() && end != path.size();
    if (is_empty || segment == "." || segment == "..") return true;
    start = end + 1;
  }
  return false;
}

}  // namespace

std::optional<std::string> normalised_path(std::string_view path) {
  if (!path.starts_with('/')) return std::nullopt;
  std::string result;
  for (std::size_t at = 0; at < path.size(); ++at) {
    if (path[at] != '%') {
      if (!is_plain(path[at])) return std::nullopt;
      result += path[at];
      continue;
    }
    const int high = at + 2 < path.size() ? hex_value(path[at + 1]) : -1;
    const int low = at + 2 < path.size() ? hex_value(path[at + 2]) : -1;
    if (high < 0 || low < 0 || !is_unreserved(high * 16 + low)) return std::nullopt;
    result += static_cast<char>(high * 16 + low);
    at += 2;
  }
  return has_doubtful_segment(result) ? std::nullopt : std::optional(result);
}

}  // namespace mtlswatch
