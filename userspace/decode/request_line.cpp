// SPDX-License-Identifier: Apache-2.0
#include "userspace/decode/request_line.h"

#include <algorithm>

#include "userspace/decode/characters.h"

namespace mtlswatch {
namespace {

RequestLine decided(RequestLine line, LineState state, std::size_t at) {
  line.state = state;
  line.offence = at;
  return line;
}

/// Reads "HTTP/1.N" and the line end, from index at on.
RequestLine read_version(RequestLine line, std::string_view text, std::size_t at) {
  static constexpr std::string_view kVersion = "HTTP/1.";
  const std::size_t start = at;
  for (; at < text.size() && at - start < kVersion.size(); ++at) {
    if (text[at] == kVersion[at - start]) continue;
    const bool preface = line.method == "PRI" && line.target == "*" && at - start == 5 && text[at] == '2';
    return decided(line, preface ? LineState::kUnsupported : LineState::kInvalid, at);
  }
  if (at == text.size()) return line;
  if (!is_digit(text[at])) return decided(line, LineState::kInvalid, at);
  const std::string_view version = text.substr(at - 2, 3);
  if (++at < text.size() && text[at] == '\r') ++at;
  if (at == text.size()) return line;
  if (text[at] != '\n') return decided(line, LineState::kInvalid, at);
  line.version = version;
  line.size = at + 1;
  line.state = LineState::kComplete;
  return line;
}

/// Length of "http://" or "https://" at the front of target, 0 if it is not in absolute form.
std::size_t scheme_bytes(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (target.size() >= scheme.size() && lowered(target.substr(0, scheme.size())) == scheme) return scheme.size();
  }
  return 0;
}

/// How many bytes at the front of target could begin "http://" or "https://".
std::size_t scheme_prefix(std::string_view target) {
  std::size_t same = 0;
  for (const std::string_view scheme : {"http://", "https://"}) {
    const auto equal = [](char a, char b) { return lower(a) == b; };
    const auto end = std::mismatch(target.begin(), target.end(), scheme.begin(), scheme.end(), equal).first;
    same = std::max(same, static_cast<std::size_t>(end - target.begin()));
  }
  return same;
}

}  // namespace

RequestLine read_request_line(std::string_view text) {
  RequestLine line;
  if (text.empty()) return line;
  if (!is_printable(text[0])) return decided(line, LineState::kUnsupported, 0);
  std::size_t at = 0;
  for (; at < text.size() && text[at] != ' '; ++at) {
    if (!is_token(text[at]) || at == kMethodBytes) return decided(line, LineState::kInvalid, at);
  }
  if (at == text.size()) return line;
  if (at == 0) return decided(line, LineState::kInvalid, at);
  line.method = text.substr(0, at++);
  const std::size_t start = at;
  while (at < text.size() && !is_control_or_space(text[at])) ++at;
  line.target = text.substr(start, at - start);
  if (at == text.size()) return line;
  if (text[at] != ' ' || at == start) return decided(line, LineState::kInvalid, at);
  line.target_complete = true;
  return read_version(line, text, at + 1);
}

RequestGuess guess_request(std::string_view text) {
  using Answer = RequestGuess::Answer;
  const RequestLine line = read_request_line(text);
  const bool rejected = line.state == LineState::kInvalid || line.state == LineState::kUnsupported;
  const RequestGuess undecided = rejected ? RequestGuess{Answer::kNo, line.offence} : RequestGuess{};
  if (line.method.empty()) return undecided;
  const auto is_letter = [](char byte) { return is_alphabetic(byte) || byte == '-' || byte == '_'; };
  if (!std::all_of(line.method.begin(), line.method.end(), is_letter)) return {Answer::kNo, line.method.size()};
  if (line.target.empty()) return undecided;
  const std::size_t start = line.method.size() + 1;
  if (line.target[0] == '/' || line.target[0] == '*' || line.method == "CONNECT") return {Answer::kYes, start};
  if (const std::size_t scheme = scheme_bytes(line.target); scheme != 0) return {Answer::kYes, start + scheme - 1};
  const std::size_t same = scheme_prefix(line.target);
  return same < line.target.size() || line.target_complete ? RequestGuess{Answer::kNo, start + same} : undecided;
}

Target split_target(std::string_view target, bool complete) {
  Target parts;
  const std::size_t scheme = scheme_bytes(target);
  std::string_view rest = target.substr(scheme);
  if (scheme != 0) {
    const std::size_t end = std::min(rest.find_first_of("/?"), rest.size());
    const std::string_view authority = rest.substr(0, end);
    const auto at_sign = authority.rfind('@');
    const std::size_t user = at_sign == std::string_view::npos ? 0 : at_sign + 1;
    parts.user = authority.substr(0, user);
    parts.authority = authority.substr(user);
    parts.authority_complete = end < rest.size() || complete;
    rest = rest.substr(end);
  }
  const auto question = rest.find('?');
  parts.path = rest.substr(0, question);
  parts.path_complete = complete || question != std::string_view::npos;
  if (question != std::string_view::npos) parts.query = rest.substr(question + 1);
  return parts;
}

void keep_target(std::string_view target, bool complete, std::size_t start, const BufferMask& mask) {
  const auto index = [&](std::string_view part) { return start + static_cast<std::size_t>(part.data() - target.data()); };
  const Target parts = split_target(target, complete);
  mask.keep(start, start + scheme_bytes(target));
  if (!parts.user.empty()) mask.keep(index(parts.authority) - 1, index(parts.authority));
  if (parts.authority_complete && !parts.authority.empty()) {
    mask.keep(index(parts.authority), index(parts.authority) + parts.authority.size());
  }
  mask.keep(index(parts.path), index(parts.path) + parts.path.size() + (parts.path_complete ? 1 : 0));
}

void keep_request_line(const RequestLine& line, std::string_view text, const BufferMask& mask) {
  if (!mask.wanted()) return;
  const bool decided_against = line.state == LineState::kInvalid || line.state == LineState::kUnsupported;
  if (decided_against) mask.keep(line.offence, line.offence + 1);
  if (line.method.empty()) {
    if (!decided_against) mask.keep(0, std::min(text.size(), kMethodBytes));
    return;
  }
  const auto start = static_cast<std::size_t>(line.target.data() - text.data());
  const std::size_t after = start + line.target.size();
  mask.keep(0, start);
  keep_target(line.target, line.target_complete, start, mask);
  if (line.target_complete) {
    const std::size_t end = line.state == LineState::kComplete ? line.size
                            : decided_against                  ? line.offence
                                                               : text.size();
    mask.keep(after, end);
  }
}

}  // namespace mtlswatch
