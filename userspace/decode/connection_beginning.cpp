// SPDX-License-Identifier: Apache-2.0
#include "userspace/decode/connection_beginning.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "userspace/decode/characters.h"
#include "userspace/decode/proxy_header.h"
#include "userspace/decode/request_line.h"
#include "userspace/decode/tls_hello.h"

namespace mtlswatch {
namespace {

constexpr std::string_view kHttp2Preface = "PRI * HTTP/2.0";

/// Begins with marker; or could, once more bytes come.
enum class Match { kYes, kNo, kPerhaps };
Match match(std::string_view text, std::string_view marker) {
  if (text.starts_with(marker)) return Match::kYes;
  return marker.starts_with(text) ? Match::kPerhaps : Match::kNo;
}

}  // namespace

std::optional<BeginningKind> kind_of_beginning(std::string_view text) {
  if (text.empty()) return std::nullopt;
  if (text[0] == 0x16) {
    if (text.size() < 2) return std::nullopt;
    return BeginningKind{text[1] == 3 ? FirstBytes::kTls : FirstBytes::kOther, 1};
  }
  using Marker = std::pair<std::string_view, FirstBytes>;
  for (const auto& [marker, kind] :
       {Marker{kProxyV1, FirstBytes::kProxyProtocol}, Marker{kProxyV2, FirstBytes::kProxyProtocol},
        Marker{kHttp2Preface, FirstBytes::kHttp2}}) {
    const Match matched = match(text, marker);
    if (matched == Match::kYes) return BeginningKind{kind, marker.size() - 1};
    if (matched == Match::kPerhaps) return std::nullopt;
  }
  const std::size_t blank = std::min(text.find_first_not_of("\r\n"), text.size());  // RFC 9112 section 2.2
  const RequestGuess guess = guess_request(text.substr(blank));
  if (guess.answer == RequestGuess::Answer::kNeedsMore) return std::nullopt;
  const bool request = guess.answer == RequestGuess::Answer::kYes;
  return BeginningKind{request ? FirstBytes::kHttp1 : FirstBytes::kOther, blank + guess.decided_at};
}

void ConnectionBeginning::receive(const Piece& piece, std::vector<Event>& out, ByteMask* mask) {
  if (state_ == State::kDone) return;
  const std::size_t prior = received_.size();
  if (!append(piece)) return give_up(piece.time_ns, out);
  const BufferMask buffer_mask(mask, prior, 0);
  advance(piece.time_ns, buffer_mask, out);
  const bool cut = piece.cut && piece.length > piece.bytes.size();
  if (cut || received_.size() >= MTLSWATCH_FIRST_BYTES) give_up(piece.time_ns, out);
}

/// False if bytes before these are missing.
bool ConnectionBeginning::append(const Piece& piece) {
  const auto gap = static_cast<std::uint32_t>(piece.position) != static_cast<std::uint32_t>(next_);
  if (piece.length != 0 && (piece.bytes.empty() || (started_ && gap))) return false;
  if (piece.length == 0) return true;
  started_ = true;
  next_ = piece.position + piece.bytes.size();
  const std::size_t room = std::min<std::size_t>(piece.bytes.size(), MTLSWATCH_FIRST_BYTES - received_.size());
  received_.insert(received_.end(), piece.bytes.begin(), piece.bytes.begin() + static_cast<std::ptrdiff_t>(room));
  return true;
}

void ConnectionBeginning::advance(std::uint64_t time_ns, const BufferMask& mask, std::vector<Event>& out) {
  while (start_ < received_.size()) {
    if (state_ == State::kUndecided && !decide(time_ns, mask, out)) return;
    if (state_ == State::kProxyHeader && !pass_proxy_header(mask)) return;
    if (state_ == State::kHello) return read_client_hello(time_ns, false, mask, out);
    if (state_ == State::kDone) return finish();
  }
}

/// False: more bytes are needed.
bool ConnectionBeginning::decide(std::uint64_t time_ns, const BufferMask& mask, std::vector<Event>& out) {
  const std::string_view text = as_text(received_).substr(start_);
  const auto kind = kind_of_beginning(text);
  if (!kind) mask.keep(start_, received_.size());
  if (!kind) return false;
  keep_decided(*kind, text, mask);
  out.emplace_back(ConnectionBegan{time_ns, id_, kind->kind});
  tls_ = kind->kind == FirstBytes::kTls;
  state_ = tls_ ? State::kHello : State::kDone;
  if (kind->kind == FirstBytes::kProxyProtocol) state_ = State::kProxyHeader;  // each relay on the way may add one
  return true;
}

/// Marks what may be recorded of bytes whose kind was just decided; the same kind is decided from what is left.
void ConnectionBeginning::keep_decided(const BeginningKind& kind, std::string_view text, const BufferMask& mask) const {
  const auto keep = [&](std::size_t first, std::size_t last) { mask.keep(start_ + first, start_ + last); };
  const std::size_t decided = kind.decided_at;
  if (kind.kind == FirstBytes::kHttp1) {
    // Of an absolute form only what makes it one: an authority can hold a password.
    const bool has_authority = text[decided] == '/' && text[decided - 1] == '/';
    keep(0, has_authority ? decided + 1 : std::min(text.find_first_of(" \r\n?", decided), text.size()));
  } else if (kind.kind == FirstBytes::kOther && is_token(text[0])) {
    keep(decided, decided + 1);
    for (std::size_t at = 0; at < decided; ++at) {
      if (text[at] == ' ') keep(at, at + 1);
    }
  } else {
    keep(0, decided + 1);
  }
}

/// False: more bytes are needed.
bool ConnectionBeginning::pass_proxy_header(const BufferMask& mask) {
  const std::string_view text = as_text(received_).substr(start_);
  const ProxyHeader header = read_proxy_header(text);
  keep_proxy_header(text, header, mask, start_);
  if (header.state == ProxyHeader::State::kNeedsMore) return false;
  state_ = header.state == ProxyHeader::State::kDone ? State::kUndecided : State::kDone;
  start_ += header.bytes;
  return true;
}

void ConnectionBeginning::read_client_hello(std::uint64_t time_ns, bool last, const BufferMask& mask,
                                            std::vector<Event>& out) {
  auto parse = parse_client_hello(std::span(received_).subspan(start_));
  mask.keep(start_, start_ + parse.wire_bytes);
  if (parse.state == HelloState::kNeedsMore && !last) return;
  if (parse.useful) out.emplace_back(ClientHelloSeen{time_ns, id_, std::move(parse.hello)});
  finish();
}

/// No more bytes come.
void ConnectionBeginning::give_up(std::uint64_t time_ns, std::vector<Event>& out) {
  if (state_ == State::kHello) read_client_hello(time_ns, true, BufferMask(nullptr, 0, 0), out);
  const bool undecided = state_ == State::kUndecided && start_ < received_.size();
  // A lone 0x16 may be TLS: nothing is said.
  if (undecided && received_[start_] != 0x16) out.emplace_back(ConnectionBegan{time_ns, id_, FirstBytes::kOther});
  finish();
}

void ConnectionBeginning::finish() {
  state_ = State::kDone;
  received_ = {};
  start_ = 0;
}

void ConnectionBeginning::send(const Piece& piece, std::vector<Event>& out, ByteMask* mask) {
  if (piece.length == 0) return;
  if (state_ != State::kDone && started_) give_up(piece.time_ns, out);
  if (!tls_ || server_hellos_left_ == 0 || piece.bytes.empty()) return;
  const BufferMask buffer_mask(mask, sent_.size(), 0);
  const std::size_t room = std::min<std::size_t>(piece.bytes.size(), MTLSWATCH_HELLO_BYTES - sent_.size());
  sent_.insert(sent_.end(), piece.bytes.begin(), piece.bytes.begin() + static_cast<std::ptrdiff_t>(room));
  auto parse = parse_server_hello(sent_);
  buffer_mask.keep(0, parse.wire_bytes);
  const bool last = sent_.size() >= MTLSWATCH_HELLO_BYTES || piece.length > piece.bytes.size();
  if (parse.state == HelloState::kNeedsMore && !last) return;
  server_hellos_left_ = parse.useful && parse.hello.is_retry_request ? server_hellos_left_ - 1 : 0;
  if (parse.useful) out.emplace_back(ServerHelloSeen{piece.time_ns, id_, std::move(parse.hello)});
  sent_ = {};
}

}  // namespace mtlswatch
