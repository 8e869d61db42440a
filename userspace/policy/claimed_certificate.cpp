// SPDX-License-Identifier: Apache-2.0
#include "userspace/policy/claimed_certificate.h"

#include <openssl/bn.h>
#include <openssl/evp.h>
#include <time.h>

#include <algorithm>
#include <cctype>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "userspace/base/hex.h"

namespace mtlswatch {
namespace {

constexpr std::size_t kSerialDigits = 64;  // RFC 5280 allows 20 bytes

Comparison same(bool equal) { return equal ? Comparison::kMatches : Comparison::kContradicts; }

/// Upper-case digits without colons, blanks and "0x"; empty where it is no hexadecimal number.
std::string hex_digits(std::string_view text) {
  if (text.starts_with("0x") || text.starts_with("0X")) text.remove_prefix(2);
  std::string digits;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == ':' || c == ' ') continue;
    if (std::isxdigit(byte) == 0) return {};
    digits += static_cast<char>(std::toupper(byte));
  }
  return digits;
}

std::string without_zeros(const std::string& digits) {
  const auto first = digits.find_first_not_of('0');
  return first == std::string::npos ? "0" : digits.substr(first);
}

bool is_decimal_of(const std::string& text, const std::string& serial) {
  if (text.find_first_not_of("0123456789") != std::string::npos) return false;
  BIGNUM* number = nullptr;
  if (BN_dec2bn(&number, text.c_str()) == 0) return false;
  char* hex = BN_bn2hex(number);
  const bool equal = hex != nullptr && without_zeros(hex) == serial;
  OPENSSL_free(hex);
  BN_free(number);
  return equal;
}

std::string percent_decoded(std::string_view text) {
  std::string result;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const std::string pair = text[at] == '%' ? hex_digits(text.substr(at + 1, 2)) : "";
    result += pair.size() == 2 ? static_cast<char>(std::stoi(pair, nullptr, 16)) : text[at];
    if (pair.size() == 2) at += 2;
  }
  return result;
}

/// The bytes, or nothing where it is not base64 (RFC 4648 section 4); blanks are skipped.
std::optional<std::vector<std::uint8_t>> from_base64(std::string_view text) {
  std::string clean;
  for (const char c : text) {
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') continue;
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '+' && c != '/' && c != '=') return std::nullopt;
    clean += c;
  }
  if (clean.empty() || clean.size() % 4 != 0) return std::nullopt;
  std::vector<std::uint8_t> bytes(clean.size() / 4 * 3);
  const int size = EVP_DecodeBlock(bytes.data(), reinterpret_cast<const unsigned char*>(clean.data()),
                                   static_cast<int>(clean.size()));
  if (size < 0) return std::nullopt;
  const auto padding = static_cast<std::size_t>(std::count(clean.end() - 2, clean.end(), '='));
  bytes.resize(static_cast<std::size_t>(size) - padding);
  return bytes;
}

std::optional<std::vector<std::uint8_t>> encoded_certificate(const std::string& claimed) {
  constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----", kEnd = "-----END CERTIFICATE-----";
  const std::string text = percent_decoded(claimed);
  std::string_view body = text;
  if (body.size() > 2 && body.front() == ':' && body.back() == ':') return from_base64(body.substr(1, body.size() - 2));
  const auto begin = body.find(kBegin);
  if (begin == std::string_view::npos) return from_base64(body.substr(0, body.find(',')));
  body.remove_prefix(begin + kBegin.size());
  const auto end = body.find(kEnd);
  return end == std::string_view::npos ? std::nullopt : from_base64(body.substr(0, end));
}

/// The parts of text between separators that are not within double quotes.
std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  bool quoted = false;
  std::size_t start = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\\' && quoted)
      ++at;
    else if (text[at] == '"')
      quoted = !quoted;
    else if (text[at] == separator && !quoted) {
      parts.push_back(text.substr(start, at - start));
      start = at + 1;
    }
  }
  parts.push_back(text.substr(start));
  return parts;
}

std::string unquoted(std::string_view value) {
  if (value.size() < 2 || value.front() != '"' || value.back() != '"') return std::string(value);
  std::string result;
  for (std::size_t at = 1; at + 1 < value.size(); ++at) {
    const bool escaped = value[at] == '\\' && value[at + 1] == '"';
    if (!escaped) result += value[at];
  }
  return result;
}

Comparison compare_field(std::string_view pair, const Certificate& certificate) {
  const auto equals = pair.find('=');
  if (equals == std::string_view::npos) return Comparison::kNotComparable;
  std::string key;
  for (const char c : pair.substr(0, equals)) {
    if (c != ' ') key += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  const std::string value = unquoted(pair.substr(equals + 1));
  if (value.empty()) return Comparison::kNotComparable;
  if (key == "hash") return compare_fingerprint(value, certificate);
  if (key == "cert") return compare_encoded(value, certificate);
  if (!certificate.parsed) return Comparison::kNotComparable;
  if (key == "subject") return compare_names(value, certificate.subject.text);
  const auto& names = certificate.alternative_names;
  if (key == "uri" || key == "dns") return same(std::find(names.begin(), names.end(), value) != names.end());
  return Comparison::kNotComparable;
}

Comparison compare_element(std::string_view element, const Certificate& certificate) {
  Comparison result = Comparison::kNotComparable;
  for (const std::string_view pair : split(element, ';')) {
    const Comparison field = compare_field(pair, certificate);
    if (field == Comparison::kContradicts) return field;
    if (field == Comparison::kMatches) result = field;
  }
  return result;
}

}  // namespace

Comparison compare_serial(const std::string& claimed, const Certificate& certificate) {
  const std::string digits = hex_digits(claimed);
  if (digits.empty() || digits.size() > kSerialDigits || certificate.serial_number.empty())
    return Comparison::kNotComparable;
  const std::string serial = without_zeros(certificate.serial_number);
  return same(without_zeros(digits) == serial || is_decimal_of(claimed, serial));
}

Comparison compare_fingerprint(const std::string& claimed, const Certificate& certificate) {
  const std::string digits = hex_digits(claimed);
  const std::string& hash = digits.size() == 40 ? certificate.sha1 : certificate.sha256;
  const bool comparable = (digits.size() == 40 || digits.size() == 64) && !hash.empty();
  return comparable ? same(digits == hash) : Comparison::kNotComparable;
}

Comparison compare_time(const std::string& claimed, std::int64_t certified_s) {
  for (const char* format : {"%b %d %H:%M:%S %Y GMT", "%y%m%d%H%M%SZ", "%Y%m%d%H%M%SZ", "%Y-%m-%dT%H:%M:%SZ"}) {
    tm calendar{};
    const char* end = ::strptime(claimed.c_str(), format, &calendar);
    if (end != nullptr && *end == '\0') return same(timegm(&calendar) == certified_s);
  }
  return Comparison::kNotComparable;
}

Comparison compare_encoded(const std::string& claimed, const Certificate& certificate) {
  const auto der = encoded_certificate(claimed);
  constexpr std::uint8_t kSequence = 0x30;
  if (!der || der->empty() || der->front() != kSequence || certificate.sha256.empty())
    return Comparison::kNotComparable;
  std::uint8_t digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (EVP_Digest(der->data(), der->size(), digest, &size, EVP_sha256(), nullptr) != 1)
    return Comparison::kNotComparable;
  return same(to_hex(std::span(digest, size)) == certificate.sha256);
}

Comparison compare_forwarded(const std::string& claimed, const Certificate& certificate) {
  const std::vector<std::string_view> elements = split(claimed, ',');
  const Comparison first = compare_element(elements.front(), certificate);
  const bool all_agree = std::all_of(elements.begin(), elements.end(), [&](std::string_view element) {
    return compare_element(element, certificate) == first;
  });
  return all_agree ? first : Comparison::kNotComparable;
}

}  // namespace mtlswatch
