// SPDX-License-Identifier: Apache-2.0
#include "userspace/decode/http_head.h"

#include <string>

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

/// The lines behind the request line, in order; a field ends where no fold continues it.
class FieldLines {
 public:
  FieldLines(const HeaderFields& fields, HeadReader& reader) : fields_(fields), reader_(reader) {}

  /// One line of the header section, or its blank end.
  void read_line(std::string_view line) {
    if (is_fold(line)) {
      reader_.head().anomalies.obsolete_folding = true;
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
    if (!name_.empty()) reader_.read_field(fields_.field_of(name_), name_, folded_ ? trimmed(folded_value_) : value_);
    name_ = value_ = {};
    folded_ = false;
  }

 private:
  const HeaderFields& fields_;
  HeadReader& reader_;
  std::string_view name_;  ///< of the field whose end has not been seen; empty: none, or an ignored line
  std::string_view value_;
  std::string folded_value_;
  bool folded_ = false;
};

/// Names stay, values stay if they are on the list. A line without a name loses everything.
void keep_field(const HeaderFields& fields, std::string_view line, std::size_t at, bool& value_kept, const BufferMask& mask) {
  if (is_fold(line)) return mask.keep(at, at + (value_kept ? line.size() : 1));
  const auto colon = line.find(':');
  const std::string_view name = line.substr(0, colon);
  value_kept = false;
  if (!is_token(name)) return;
  mask.keep(at, at + name.size() + (colon == std::string_view::npos ? 0 : 1));
  value_kept = colon != std::string_view::npos && fields.field_of(name) != Field::kOther;
  if (value_kept) mask.keep(at, at + line.size());
}

}  // namespace

/// Bare LF ends a line too (RFC 9112 section 2.2).
std::size_t http_head_end(std::string_view text, std::size_t from) {
  for (std::size_t feed = text.find('\n', from); feed != std::string_view::npos; feed = text.find('\n', feed + 1)) {
    std::size_t next = feed + 1;
    if (next < text.size() && text[next] == '\r') ++next;
    if (next < text.size() && text[next] == '\n') return next + 1;
  }
  return 0;
}

ParsedHead parse_http_head(const HeaderFields& fields, std::string_view text, bool complete) {
  const RequestLine line = read_request_line(text);
  if (line.state == LineState::kInvalid || line.state == LineState::kUnsupported) {
    ParsedHead rejected;
    if (line.state == LineState::kUnsupported) rejected.head.state = HeadState::kUnsupported;
    rejected.body.kind = BodyFraming::Kind::kUnknown;
    return rejected;
  }
  HeadReader reader;
  reader.head().method = line.method;
  reader.head().version = line.version;
  reader.read_target(split_target(line.target, line.target_complete), line.target_complete);
  FieldLines lines(fields, reader);
  for (std::size_t at = line.size, size = 0; line.size != 0 && at < text.size(); at += size) {
    const std::string_view field = next_line(text.substr(at), size);
    const bool ended = text[at + size - 1] == '\n';
    if (ended) lines.read_line(field);
    if (!ended && !is_fold(field)) lines.finish_field();  // what follows does not continue it
  }
  if (complete) lines.finish_field();
  return reader.finish(complete);
}

void keep_http_head(const HeaderFields& fields, std::string_view text, const BufferMask& mask) {
  const RequestLine line = read_request_line(text);
  keep_request_line(line, text, mask);
  bool value_kept = false;  // of the field that a fold would continue
  for (std::size_t at = line.size, size = 0; line.size != 0 && at < text.size(); at += size) {
    keep_field(fields, next_line(text.substr(at), size), at, value_kept, mask);
    for (std::size_t end = at; end < at + size; ++end) {
      if (text[end] == '\r' || text[end] == '\n') mask.keep(end, end + 1);
    }
  }
}

}  // namespace mtlswatch
