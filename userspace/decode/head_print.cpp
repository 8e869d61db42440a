// SPDX-License-Identifier: Apache-2.0
#include "userspace/decode/head_print.h"

#include <openssl/sha.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <iterator>
#include <set>
#include <string>

#include "userspace/decode/characters.h"

namespace mtlswatch {
namespace {

constexpr std::size_t kDistinctive = 16;  ///< letters and digits of a client's own value
constexpr std::size_t kDifferent = 6;     ///< of them, at least
constexpr std::size_t kLengthDigits = 12;

// Set or changed by proxies, of one hop only, or the same for every client of a kind.
constexpr std::string_view kNotPassedOn[] = {
    "accept",  "accept-charset", "accept-encoding", "accept-language", "cache-control", "connection",   "dnt",        "early-data",
    "expect",  "forwarded",      "host",            "http2-settings",  "keep-alive",    "max-forwards", "pragma",     "priority",
    "te",      "trailer",        "transfer-encoding", "upgrade",       "upgrade-insecure-requests", "user-agent", "via", "x-requested-with"};
// What tells a client or a request from all others by its meaning. A path, a version or credentials may as well be a proxy's.
constexpr std::string_view kDistinctiveNames[] = {"cookie", "idempotency-key", "request-id", "traceparent", "x-b3-traceid", "x-correlation-id",
                                                  "x-csrf-token", "x-csrftoken", "x-request-id", "x-xsrf-token"};
constexpr std::string_view kFamilies[] = {"x-forwarded", "x-ssl", "x-client", "x-real", "ssl-", "client-cert", "content-", "proxy-", "sec-"};

bool is_passed_on(std::string_view name) {
  if (std::find(std::begin(kNotPassedOn), std::end(kNotPassedOn), name) != std::end(kNotPassedOn)) return false;
  return std::none_of(std::begin(kFamilies), std::end(kFamilies), [&](std::string_view start) { return name.starts_with(start); });
}

std::uint64_t digest(std::string_view name, std::string_view value) {
  const std::string text = std::string(name) + ": " + std::string(value);  // no name holds a colon
  std::array<std::uint8_t, SHA256_DIGEST_LENGTH> hash;
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), hash.data());
  std::uint64_t first = 0;
  std::memcpy(&first, hash.data(), sizeof first);
  return first;
}

bool is_distinctive(std::string_view name) {
  return std::find(std::begin(kDistinctiveNames), std::end(kDistinctiveNames), name) != std::end(kDistinctiveNames);
}

std::vector<Gram> distinctive_grams(std::string_view value) {
  std::string letters;
  std::copy_if(value.begin(), value.end(), std::back_inserter(letters), [](char byte) { return is_digit(byte) || is_alphabetic(byte); });
  if (letters.size() < kDistinctive || std::set<char>(letters.begin(), letters.end()).size() < kDifferent) return {};
  return grams_of(value);
}

FieldPrint print_field(std::string_view name, std::string_view value) {
  return {digest(name, value), is_passed_on(name), is_distinctive(name) ? distinctive_grams(value) : std::vector<Gram>{}};
}

bool is_plain_value(std::string_view value) {
  return std::all_of(value.begin(), value.end(), [](char byte) { return byte == '\t' || (static_cast<std::uint8_t>(byte) >= 0x20 && byte != 0x7f); });
}

/// Takes text up to its next CR LF off the front; nothing: there is none.
std::optional<std::string_view> take_line(std::string_view& text) {
  const auto end = text.find("\r\n");
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 2);
  return line;
}

bool print_request_line(std::string_view line, HeadPrint& print) {
  const auto first = line.find(' '), last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return false;
  const std::string_view method = line.substr(0, first), version = line.substr(last + 1);
  const std::string_view target = line.substr(first + 1, last - first - 1);
  const bool is_target = !target.empty() && std::none_of(target.begin(), target.end(), is_control_or_space);
  if (!is_token(method) || !is_target || (version != "HTTP/1.1" && version != "HTTP/1.0")) return false;
  print.method = digest("", method);
  return true;
}

bool read_framing(std::string_view name, std::string_view value, HeadPrint& print) {
  print.is_chunked |= name == "transfer-encoding";
  if (name != "content-length") return true;
  const bool is_number = !value.empty() && value.size() <= kLengthDigits && std::all_of(value.begin(), value.end(), is_digit);
  return is_number && std::from_chars(value.data(), value.data() + value.size(), print.body_bytes).ec == std::errc();
}

}  // namespace

void GramStream::feed(std::string_view text, std::vector<Gram>& out) {
  for (const char byte : text) take(byte, out);
}

void GramStream::take(char byte, std::vector<Gram>& out) {
  if (escaped_ == 0) {
    if (byte == '%') escaped_ = 1;
    if (byte != '%') take_letter(byte, out);
    return;
  }
  const bool is_hex = is_digit(byte) || (lower(byte) >= 'a' && lower(byte) <= 'f');
  if (is_hex) escape_[escaped_++ - 1] = byte;
  if (is_hex && escaped_ <= escape_.size()) return;
  const std::size_t digits = escaped_ - 1;
  const std::array<char, 2> escape = escape_;
  escaped_ = 0;
  if (is_hex) {
    std::uint8_t value = 0;
    std::from_chars(escape.data(), escape.data() + escape.size(), value, 16);
    return take(static_cast<char>(value), out);  // which may begin another escape
  }
  for (std::size_t i = 0; i < digits; ++i) take_letter(escape[i], out);
  take(byte, out);
}

void GramStream::take_letter(char letter, std::vector<Gram>& out) {
  if (!is_digit(letter) && !is_alphabetic(letter)) return;
  letters_ = letters_ << 8 | static_cast<std::uint8_t>(lower(letter));
  if (++size_ < kLetters) return;
  const std::uint64_t mixed = (letters_ ^ letters_ >> 29) * 0x9E3779B97F4A7C15u;
  window_[size_ % kWindow] = static_cast<Gram>((mixed ^ mixed >> 32) * 0xD6E8FEB86659FD93u >> 32);
  if (size_ < kGramCertain) return;
  const Gram least = *std::min_element(window_.begin(), window_.end());
  if (out.empty() || out.back() != least) out.push_back(least);
}

std::vector<Gram> grams_of(std::string_view text) {
  std::vector<Gram> grams;
  GramStream stream;
  stream.feed(text, grams);
  std::sort(grams.begin(), grams.end());
  grams.erase(std::unique(grams.begin(), grams.end()), grams.end());
  return grams;
}

std::optional<HeadPrint> print_head(std::string_view head) {
  HeadPrint print;
  auto line = take_line(head);
  if (!line || !print_request_line(*line, print)) return std::nullopt;
  std::set<std::string> names;
  for (line = take_line(head); line && !line->empty(); line = take_line(head)) {
    const auto colon = line->find(':');
    if (colon == std::string_view::npos || !is_token(line->substr(0, colon))) return std::nullopt;
    const std::string name = folded_name(line->substr(0, colon));
    const std::string_view value = trimmed(line->substr(colon + 1));
    if (!is_plain_value(line->substr(colon + 1)) || !names.insert(name).second || !read_framing(name, value, print)) return std::nullopt;
    print.fields.push_back(print_field(name, value));
  }
  if (!line || !head.empty()) return std::nullopt;
  return print;
}

}  // namespace mtlswatch
