// SPDX-License-Identifier: Apache-2.0
#include "userspace/decode/request_framer.h"

#include <algorithm>
#include <utility>

#include "userspace/decode/characters.h"
#include "userspace/decode/proxy_header.h"
#include "userspace/decode/request_line.h"
#include "userspace/decode/uwsgi_head.h"

namespace mtlswatch {
namespace {

constexpr std::size_t kHeadBytes = MTLSWATCH_BACKEND_PREFIX_BYTES;
constexpr std::uint64_t kLeastHead = 16;             // "GET / HTTP/1.0" and two line ends
constexpr std::uint64_t kLongestTcpBody = 1u << 30;  // beyond, 32-bit positions do not tell where it ends

bool begins_request(std::span<const std::uint8_t> bytes) {
  const std::string_view text = as_text(bytes);
  if (may_be_uwsgi(text)) return read_uwsgi_packet(text).state == UwsgiState::kRecognised;
  return guess_request(text).answer == RequestGuess::Answer::kYes;
}

}  // namespace

RequestFramer::RequestFramer(const HeadParser& parser, Positions positions, Start start)
    : parser_(parser),
      wraps_(positions == Positions::kTcp),
      state_(start == Start::kAtRequest ? State::kStart : State::kLost) {}

std::int64_t RequestFramer::distance(std::uint64_t position) const {
  if (!wraps_) return static_cast<std::int64_t>(position - *next_);
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(position) - static_cast<std::uint32_t>(*next_));
}

void RequestFramer::feed(const Piece& piece, std::vector<FramedRequest>& out, ByteMask* mask) {
  if (state_ == State::kOpaque) return;
  const std::size_t at = align(piece, out);
  if (piece.turn_start) {
    turn_bytes_ = 0;
    if (state_ == State::kLost && begins_request(piece.bytes.subspan(at))) state_ = State::kHead;
  }
  turn_bytes_ += piece.bytes.size() - at;
  consume(piece, at, out, mask);
  const bool cut = piece.cut && piece.length > piece.bytes.size();
  if (in_head_ && (cut || turn_bytes_ >= kHeadBytes)) cut_head(out);
}

/// Brings the framing to the piece's position; returns how many of its bytes were read before.
std::size_t RequestFramer::align(const Piece& piece, std::vector<FramedRequest>& out) {
  if (!next_) next_ = piece.position;
  const std::int64_t ahead = distance(piece.position);
  std::size_t known = 0;
  if (ahead > 0) {
    skip(static_cast<std::uint64_t>(ahead), piece.time_ns, out);
  } else if (ahead < 0 && piece.turn_start) {  // the stream did not go backwards: another count began
    cut_head(out);
    state_ = State::kLost;
  } else if (ahead < 0) {
    known = static_cast<std::size_t>(std::min<std::uint64_t>(-static_cast<std::uint64_t>(ahead), piece.bytes.size()));
    if (known == piece.bytes.size()) return known;
  }
  next_ = piece.position + piece.bytes.size();
  return known;
}

void RequestFramer::received_until(std::uint32_t position, std::uint64_t time_ns, std::vector<FramedRequest>& out) {
  const auto ahead = next_ ? static_cast<std::int32_t>(position - static_cast<std::uint32_t>(*next_)) : 0;
  if (ahead <= 0) return;
  skip(static_cast<std::uint64_t>(ahead), time_ns, out);
  *next_ += static_cast<std::uint64_t>(ahead);
}

/// Bytes that were moved but are not known.
void RequestFramer::skip(std::uint64_t count, std::uint64_t time_ns, std::vector<FramedRequest>& out) {
  if (state_ == State::kHead || state_ == State::kStart) {
    if (!in_head_ && count >= kLeastHead) miss_request(0, time_ns, out);
    cut_head(out);
    state_ = State::kLost;
  } else if (state_ == State::kBody && count > body_left_) {
    if (count - body_left_ >= kLeastHead) miss_request(body_left_, time_ns, out);
    state_ = State::kLost;
  } else if (state_ == State::kBody) {
    take_body(count);
  } else if (state_ == State::kChunked) {
    chunks_.skip(count);
    if (chunks_.lost()) state_ = State::kLost;
  }
}

void RequestFramer::consume(const Piece& piece, std::size_t at, std::vector<FramedRequest>& out, ByteMask* mask) {
  while (at < piece.bytes.size()) {
    switch (state_) {
      case State::kStart:
        at += take_start(piece, at, mask);
        break;
      case State::kHead:
        at += take_head(piece, at, out, mask);
        break;
      case State::kBody:
        at += take_body(piece.bytes.size() - at);
        break;
      case State::kChunked:
        at += chunks_.feed(piece.bytes.subspan(at), at, mask);
        if (chunks_.done()) state_ = State::kHead;
        if (chunks_.lost()) state_ = State::kLost;
        break;
      case State::kLost:
      case State::kOpaque:
        return;
    }
  }
}

/// A connection may begin with a PROXY protocol header, which is no request. The sender counts it with the first request:
/// both lie in one turn. Returns how many bytes were of it, or may be.
std::size_t RequestFramer::take_start(const Piece& piece, std::size_t at, ByteMask* mask) {
  const std::size_t prior = head_.size();
  if (prior == 0) note_head(piece, at);
  const auto fresh = piece.bytes.subspan(at);
  head_.insert(head_.end(), fresh.begin(), fresh.end());
  const ProxyHeader header = read_proxy_header(as_text(head_));
  keep_proxy_header(as_text(head_), header, BufferMask(mask, prior, at), 0);
  if (header.state == ProxyHeader::State::kNeedsMore) return fresh.size();
  state_ = State::kHead;
  behind_header_ = header.state == ProxyHeader::State::kDone;
  in_head_ = !behind_header_ && prior != 0 && head_[0] != '\r';  // else these were empty lines
  head_.resize(in_head_ ? prior : 0);
  return behind_header_ ? header.bytes - prior : 0;
}

/// Takes head bytes; returns how many. The usual head lies in one piece and is read in place.
std::size_t RequestFramer::take_head(const Piece& piece, std::size_t at, std::vector<FramedRequest>& out,
                                     ByteMask* mask) {
  const std::size_t blank = in_head_ ? 0 : begin_head(piece, at, mask);
  at += blank;
  const auto fresh = piece.bytes.subspan(at);
  if (fresh.empty()) return blank;
  const std::size_t prior = head_.size();
  const std::size_t room = std::min(fresh.size(), kHeadBytes - prior);
  if (prior != 0) head_.insert(head_.end(), fresh.begin(), fresh.begin() + static_cast<std::ptrdiff_t>(room));
  const std::string_view text = prior == 0 ? as_text(fresh.first(room)) : as_text(head_);
  const HeadExtent extent = measure_head(text, prior);
  const std::string_view head = extent.end != 0 ? text.substr(0, extent.end) : text;
  parser_.keep(head, BufferMask(mask, prior, at));
  if (extent.end != 0 || extent.rejected || head.size() == kHeadBytes) {
    end_head(head, extent.end != 0, out);
  } else if (prior == 0) {
    head_.assign(fresh.begin(), fresh.end());
  }
  return blank + head.size() - prior;
}

/// Notes where a head begins; returns how many line ends stand before it (RFC 9112 section 2.2).
std::size_t RequestFramer::begin_head(const Piece& piece, std::size_t at, ByteMask* mask) {
  std::size_t first = at;
  while (first < piece.bytes.size() && (piece.bytes[first] == '\r' || piece.bytes[first] == '\n')) ++first;
  if (mask != nullptr) mask->keep(at, first - at);
  if (first < piece.bytes.size() && !std::exchange(behind_header_, false)) note_head(piece, first);
  in_head_ = first < piece.bytes.size();
  return first - at;
}

void RequestFramer::note_head(const Piece& piece, std::size_t at) {
  in_head_ = true;
  head_time_ns_ = piece.time_ns;
  head_position_ = piece.position + at;
  if (wraps_) head_position_ = static_cast<std::uint32_t>(head_position_);
}

void RequestFramer::end_head(std::string_view text, bool complete, std::vector<FramedRequest>& out) {
  ParsedHead parsed = parser_.parse(text, complete);
  const BodyFraming body = parsed.body;
  const bool uwsgi = may_be_uwsgi(text) && parsed.head.state != HeadState::kUnsupported;
  after_body_ = uwsgi ? State::kLost : State::kHead;
  out.push_back({head_time_ns_, head_position_, std::move(parsed.head)});
  in_head_ = false;
  head_ = {};
  body_left_ = body.kind == BodyFraming::Kind::kLength ? body.length_bytes : 0;
  chunks_ = {};
  switch (body.kind) {
    case BodyFraming::Kind::kNone:
      state_ = after_body_;
      break;
    case BodyFraming::Kind::kLength:
      state_ = body_left_ == 0 ? after_body_ : State::kBody;
      break;
    case BodyFraming::Kind::kChunked:
      state_ = State::kChunked;
      break;
    case BodyFraming::Kind::kUnknown:
      state_ = uwsgi ? State::kOpaque : State::kLost;
      break;
  }
  if (uwsgi && state_ == State::kChunked) state_ = State::kOpaque;  // the server leaves the framing to the application
  if (wraps_ && body_left_ > kLongestTcpBody) state_ = State::kLost;
}

/// A request begins so many bytes behind what was read, and its head was not captured.
void RequestFramer::miss_request(std::uint64_t offset, std::uint64_t time_ns, std::vector<FramedRequest>& out) {
  FramedRequest request{time_ns, *next_ + offset, {}};
  request.head.state = HeadState::kCut;
  if (wraps_) request.position = static_cast<std::uint32_t>(request.position);
  out.push_back(std::move(request));
}

std::size_t RequestFramer::take_body(std::size_t available) {
  const auto taken = static_cast<std::size_t>(std::min<std::uint64_t>(available, body_left_));
  body_left_ -= taken;
  if (body_left_ == 0) state_ = after_body_;
  return taken;
}

void RequestFramer::cut_head(std::vector<FramedRequest>& out) {
  if (!in_head_) return;
  const std::vector<std::uint8_t> head = std::move(head_);
  end_head(as_text(head), false, out);
}

void RequestFramer::become_opaque() {
  state_ = State::kOpaque;
  in_head_ = false;
  head_ = {};
}

}  // namespace mtlswatch
