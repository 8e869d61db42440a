// SPDX-License-Identifier: Apache-2.0
#include "userspace/decode/head_reader.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <utility>

#include "userspace/decode/characters.h"

namespace mtlswatch {
namespace {

std::string identifier(std::string_view value) {
  const bool printable = std::all_of(value.begin(), value.end(), [](char byte) { return is_printable(byte); });
  return printable && value.size() <= kIdentifierBytes ? std::string(value) : std::string();
}

/// A Host value without its port, lower case; brackets of IPv6 stay. Empty if it is no host.
std::string host_name(std::string_view value) {
  const auto bracket = value.rfind(']');
  const auto colon = value.rfind(':');
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket))
    value = value.substr(0, colon);
  const bool clean =
      std::none_of(value.begin(), value.end(), [](char byte) { return !is_printable(byte) || byte == ' '; });
  return clean && value.size() <= 255 ? lowered(value) : std::string();
}

bool is_hex_id(std::string_view text) {
  const bool hex =
      std::all_of(text.begin(), text.end(), [](char byte) { return is_digit(byte) || (byte >= 'a' && byte <= 'f'); });
  return hex && text.find_first_not_of('0') != std::string_view::npos;
}

/// W3C Trace Context section 3.2.2: "00-<32 hex>-<16 hex>-<2 hex>".
void read_trace_parent(std::string_view value, RequestHead& head) {
  if (value.size() != 55 || value[2] != '-' || value[35] != '-' || value[52] != '-') return;
  const auto is_hex = [](std::string_view text) { return is_hex_id(std::string("1").append(text)); };
  const std::string_view version = value.substr(0, 2);
  if (!is_hex(version) || version == "ff" || !is_hex(value.substr(53))) return;
  if (!is_hex_id(value.substr(3, 32)) || !is_hex_id(value.substr(36, 16))) return;
  head.trace_id = value.substr(3, 32);
  head.span_id = value.substr(36, 16);
}

std::optional<std::uint64_t> decimal(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

void HeadReader::read_target(const Target& target, bool complete) {
  RequestHead& head = parsed_.head;
  if (target.path_complete) head.path = target.path;
  if (target.path_complete && target.path.empty() && !target.authority.empty()) head.path = "/";
  if (complete) head.query = target.query;
  if (target.authority.empty() || !target.authority_complete) return;
  head.host = host_name(target.authority);
  host_known_ = true;
}

void HeadReader::read_field(Field field, std::string_view name, std::string_view value) {
  RequestHead& head = parsed_.head;
  switch (field) {
    case Field::kHost:
      if (!host_known_) head.host = host_name(value);
      host_known_ = true;
      break;
    case Field::kContentLength:
      read_length(value);
      break;
    case Field::kTransferEncoding:
      read_encoding(value);
      break;
    case Field::kRequestId:
      head.request_id = identifier(value);
      break;
    case Field::kCorrelationId:
      head.correlation_id = identifier(value);
      break;
    case Field::kTraceParent:
      read_trace_parent(value, head);
      break;
    case Field::kIdentity:
      read_identity(name, value);
      break;
    case Field::kOther:
      break;
  }
}

/// "5", or "5, 5" (RFC 9110 section 8.6).
void HeadReader::read_length(std::string_view value) {
  for (std::size_t start = 0; start <= value.size();) {
    const std::size_t end = std::min(value.find(',', start), value.size());
    const auto length = decimal(trimmed(value.substr(start, end - start)));
    length_invalid_ |= !length;
    if (has_length_ && length && *length != length_) lengths_differ_ = true;
    if (length) length_ = *length;
    has_length_ = true;
    start = end + 1;
  }
  parsed_.head.anomalies.repeated_content_length = lengths_differ_;
}

void HeadReader::read_encoding(std::string_view value) {
  has_encoding_ = true;
  const auto comma = value.rfind(',');
  chunked_ = lowered(trimmed(comma == std::string_view::npos ? value : value.substr(comma + 1))) == "chunked";
}

void HeadReader::read_identity(std::string_view name, std::string_view value) {
  auto& kept = parsed_.head.identity_headers;
  dropped_ |= value.size() > kHeaderValueBytes || kept.size() == kIdentityHeadersKept;
  if (value.size() <= kHeaderValueBytes && kept.size() < kIdentityHeadersKept) {
    kept.push_back({std::string(name), std::string(value)});
  }
}

ParsedHead HeadReader::finish(bool complete) {
  parsed_.head.state = complete && !dropped_ ? HeadState::kComplete : HeadState::kCut;
  parsed_.head.anomalies.content_length_with_transfer_encoding = has_length_ && has_encoding_;
  if (!complete || lengths_differ_ || length_invalid_) {
    parsed_.body.kind = BodyFraming::Kind::kUnknown;
  } else if (has_length_) {
    parsed_.body = {BodyFraming::Kind::kLength, length_};
  }
  if (complete && has_encoding_)
    parsed_.body.kind = chunked_ ? BodyFraming::Kind::kChunked : BodyFraming::Kind::kUnknown;
  return std::move(parsed_);
}

}  // namespace mtlswatch
