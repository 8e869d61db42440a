// SPDX-License-Identifier: Apache-2.0
#include "userspace/decode/head_parser.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "userspace/decode/characters.h"
#include "userspace/decode/request_line.h"

namespace mtlswatch {
namespace {

/// Header line without its line end; sets size to the bytes with it. A line without a line end is returned whole.
std::string_view next_line(std::string_view text, std::size_t& size) {
  const auto feed = text.find('\n');
  size = feed == std::string_view::npos ? text.size() : feed + 1;
  std::string_view line = text.substr(0, feed);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

bool is_fold(std::string_view line) { return !line.empty() && (line[0] == ' ' || line[0] == '\t'); }

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

/// Reads the fields of one head in order.
class HeadParser::Reader {
 public:
  explicit Reader(const HeadParser& parser) : parser_(parser) {}

  void read_target(const RequestLine& line) {
    RequestHead& head = parsed_.head;
    head.method = line.method;
    head.version = line.version;
    const Target target = split_target(line.target, line.target_complete);
    if (target.path_complete) head.path = target.path;
    if (target.path_complete && target.path.empty() && !target.authority.empty()) head.path = "/";
    if (line.target_complete) head.query = target.query;
    if (target.authority.empty() || !target.authority_complete) return;
    head.host = host_name(target.authority);
    host_known_ = true;
  }

  /// One line of the header section, or its blank end.
  void read_line(std::string_view line) {
    if (is_fold(line)) {
      parsed_.head.anomalies.obsolete_folding = true;
      if (!folded_) folded_value_ = value_;
      folded_ = true;
      folded_value_.append(" ").append(trimmed(line));
      return;
    }
    finish_field();
    const auto colon = line.find(':');
    if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) return;
    name_ = line.substr(0, colon);
    value_ = trimmed(line.substr(colon + 1));
  }

  /// The field read last is whole: no fold can follow.
  void finish_field() {
    if (!name_.empty()) read_field(folded_ ? trimmed(folded_value_) : value_);
    name_ = value_ = {};
    folded_ = false;
  }

  ParsedHead finish(bool complete) {
    if (complete) finish_field();
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

 private:
  void read_field(std::string_view value) {
    RequestHead& head = parsed_.head;
    switch (parser_.field_of(name_)) {
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
        read_identity(value);
        break;
      case Field::kOther:
        break;
    }
  }

  /// "5", or "5, 5" (RFC 9110 section 8.6).
  void read_length(std::string_view value) {
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

  void read_encoding(std::string_view value) {
    has_encoding_ = true;
    const auto comma = value.rfind(',');
    chunked_ = lowered(trimmed(comma == std::string_view::npos ? value : value.substr(comma + 1))) == "chunked";
  }

  void read_identity(std::string_view value) {
    auto& kept = parsed_.head.identity_headers;
    dropped_ |= value.size() > kHeaderValueBytes || kept.size() == kIdentityHeadersKept;
    if (value.size() <= kHeaderValueBytes && kept.size() < kIdentityHeadersKept) {
      kept.push_back({std::string(name_), std::string(value)});
    }
  }

  const HeadParser& parser_;
  ParsedHead parsed_;
  std::string_view name_;  ///< of the field whose end has not been seen; empty: none, or an ignored line
  std::string_view value_;
  std::string folded_value_;
  bool folded_ = false;
  bool host_known_ = false;
  bool has_length_ = false, lengths_differ_ = false, length_invalid_ = false;
  std::uint64_t length_ = 0;
  bool has_encoding_ = false, chunked_ = false;
  bool dropped_ = false;
};

HeadParser::HeadParser(const std::vector<std::string>& identity_headers) {
  for (const std::string& name : identity_headers) {
    std::string folded = folded_name(name);
    if (folded == "cookie" || folded == "set-cookie" || folded == "authorization" || folded == "proxy-authorization")
      continue;
    longest_name_ = std::max(longest_name_, folded.size());
    identity_headers_.insert(std::move(folded));
  }
}

HeadParser::Field HeadParser::field_of(std::string_view name) const {
  static constexpr std::array<std::pair<std::string_view, Field>, 6> kFields = {
      {{"host", Field::kHost},
       {"content-length", Field::kContentLength},
       {"transfer-encoding", Field::kTransferEncoding},
       {"x-request-id", Field::kRequestId},
       {"x-correlation-id", Field::kCorrelationId},
       {"traceparent", Field::kTraceParent}}};
  const auto equal = [](char a, char b) { return lower(a) == b; };
  for (const auto& [known, field] : kFields) {
    if (known.size() == name.size() && std::equal(name.begin(), name.end(), known.begin(), equal)) return field;
  }
  if (name.size() > longest_name_) return Field::kOther;
  return identity_headers_.contains(folded_name(name)) ? Field::kIdentity : Field::kOther;
}

ParsedHead HeadParser::parse(std::string_view text, bool complete) const {
  const RequestLine line = read_request_line(text);
  if (line.state == LineState::kInvalid || line.state == LineState::kUnsupported) {
    ParsedHead rejected;
    if (line.state == LineState::kUnsupported) rejected.head.state = HeadState::kUnsupported;
    rejected.body.kind = BodyFraming::Kind::kUnknown;
    return rejected;
  }
  Reader reader(*this);
  reader.read_target(line);
  for (std::size_t at = line.size, size = 0; line.size != 0 && at < text.size(); at += size) {
    const std::string_view field = next_line(text.substr(at), size);
    const bool ended = text[at + size - 1] == '\n';
    if (ended) reader.read_line(field);
    if (!ended && !is_fold(field)) reader.finish_field();  // what follows does not continue it
  }
  return reader.finish(complete);
}

void HeadParser::keep(std::string_view text, const BufferMask& mask) const {
  if (!mask.wanted()) return;
  const RequestLine line = read_request_line(text);
  keep_request_line(line, text, mask);
  bool value_kept = false;  // of the field that a fold would continue
  for (std::size_t at = line.size, size = 0; line.size != 0 && at < text.size(); at += size) {
    keep_field(next_line(text.substr(at), size), at, value_kept, mask);
    for (std::size_t end = at; end < at + size; ++end) {
      if (text[end] == '\r' || text[end] == '\n') mask.keep(end, end + 1);
    }
  }
}

/// Names stay, values stay if they are on the list. A line without a name loses everything.
void HeadParser::keep_field(std::string_view line, std::size_t at, bool& value_kept, const BufferMask& mask) const {
  if (is_fold(line)) return mask.keep(at, at + (value_kept ? line.size() : 1));
  const auto colon = line.find(':');
  const std::string_view name = line.substr(0, colon);
  value_kept = false;
  if (!is_token(name)) return;
  mask.keep(at, at + name.size() + (colon == std::string_view::npos ? 0 : 1));
  value_kept = colon != std::string_view::npos && field_of(name) != Field::kOther;
  if (value_kept) mask.keep(at, at + line.size());
}

}  // namespace mtlswatch
