// SPDX-License-Identifier: Apache-2.0
// Cuts one direction of one backend connection into requests: HTTP/1.x (RFC 9112) or uwsgi. Owned by the connection's state; one thread.
//
//   state     accepts                                     emits                goes to
//   kHead     bytes of a head, leading CR LF dropped      the head, when       kHead (no body), kBody, kChunked,
//                                                         complete or cut      kLost (rejected, cut, body unknown)
//   kBody     Content-Length bytes, also uncaptured ones  nothing              kHead
//   kChunked  a chunked body, RFC 9112 section 7.1        nothing              kHead, kLost
//   kLost     nothing until a turn begins with what       nothing              kHead
//             looks like a request
//   kOpaque   everything, for good (after 101)            nothing              -
//   A connection carries one request in the uwsgi protocol: behind it kLost stands for kHead, and kOpaque for a body
//   whose end is not known.
#pragma once

#include <mtlswatch/event.h>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "userspace/decode/byte_mask.h"
#include "userspace/decode/chunked_body.h"
#include "userspace/decode/head_parser.h"
#include "userspace/model/http.h"

namespace mtlswatch {

/// What one receive moved. bytes are the first of length that are known.
struct Piece {
  std::uint64_t position = 0;
  std::uint64_t time_ns = 0;
  std::uint32_t length = 0;
  std::span<const std::uint8_t> bytes;
  bool turn_start = false;
  bool cut = false;  ///< no later piece will bring the missing bytes of this one
};

struct FramedRequest {
  std::uint64_t time_ns = 0;   ///< of the piece that brought its first byte
  std::uint64_t position = 0;  ///< of its first byte
  RequestHead head;
};

class RequestFramer {
 public:
  enum class Positions { kTcp, kUnix };      ///< TCP positions are 32-bit and wrap
  enum class Start { kAtRequest, kAtTurn };  ///< kAtTurn: what came before was not seen

  /// parser must outlive the framer.
  RequestFramer(const HeadParser& parser, Positions positions, Start start);

  /// Takes the next piece and appends the requests whose heads it ended. mask: marked with what may be recorded.
  void feed(const Piece& piece, std::vector<FramedRequest>& out, ByteMask* mask = nullptr);

  /// The stream was received up to this position (its low half): bytes that no piece brought belong to a body, or hide a
  /// request, which is emitted as cut, without a head.
  void received_until(std::uint32_t position, std::uint64_t time_ns, std::vector<FramedRequest>& out);

  /// What the stream holds is not known: it may have brought requests that were not told.
  bool lost() const { return state_ == State::kLost && after_body_ == State::kHead; }

  /// An unfinished head gets no more bytes (its answer is being sent): it is emitted as cut.
  void cut_head(std::vector<FramedRequest>& out);

  /// The connection was upgraded to another protocol.
  void become_opaque();

 private:
  enum class State { kStart, kHead, kBody, kChunked, kLost, kOpaque };

  std::size_t align(const Piece& piece, std::vector<FramedRequest>& out);
  void skip(std::uint64_t count, std::uint64_t time_ns, std::vector<FramedRequest>& out);
  void miss_request(std::uint64_t offset, std::uint64_t time_ns, std::vector<FramedRequest>& out);
  void consume(const Piece& piece, std::size_t at, std::vector<FramedRequest>& out, ByteMask* mask);
  std::size_t take_start(const Piece& piece, std::size_t at, ByteMask* mask);
  std::size_t take_head(const Piece& piece, std::size_t at, std::vector<FramedRequest>& out, ByteMask* mask);
  void note_head(const Piece& piece, std::size_t at);
  std::size_t begin_head(const Piece& piece, std::size_t at, ByteMask* mask);
  void end_head(std::string_view text, bool complete, std::vector<FramedRequest>& out);
  std::size_t take_body(std::size_t available);
  std::int64_t distance(std::uint64_t position) const;

  const HeadParser& parser_;
  const bool wraps_;
  State state_;
  std::optional<std::uint64_t> next_;  ///< position of the next byte to read; empty before the first piece
  std::vector<std::uint8_t> head_;     ///< an unfinished head
  bool in_head_ = false;               ///< its first byte was seen
  bool behind_header_ = false;         ///< the next head's position is that of the PROXY protocol header before it
  std::uint64_t head_time_ns_ = 0;
  std::uint64_t head_position_ = 0;
  std::uint64_t body_left_ = 0;
  State after_body_ = State::kHead;  ///< kLost behind a uwsgi request
  ChunkedBody chunks_;
  std::uint64_t turn_bytes_ = 0;  ///< captured since the turn began: the kernel side stops at its budget
};

}  // namespace mtlswatch
