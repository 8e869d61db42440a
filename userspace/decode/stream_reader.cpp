// SPDX-License-Identifier: Apache-2.0
#include "userspace/decode/stream_reader.h"

#include <sys/socket.h>

#include <string_view>
#include <utility>

#include "userspace/decode/characters.h"
#include "userspace/decode/status_line.h"

namespace mtlswatch {
namespace {

Piece piece_of(const mtlswatch_io& io, std::span<const std::uint8_t> data) {
  return {.position = io.position,
          .time_ns = io.header.time_ns,
          .length = io.length,
          .bytes = data,
          .turn_start = (io.flags & MTLSWATCH_IO_TURN) != 0,
          .cut = (io.flags & MTLSWATCH_IO_CUT) != 0};
}

/// Whether the piece holds the first byte that this connection ever received.
bool is_first(const ConnectionState& connection, const mtlswatch_io& io) {
  return !connection.predates && (io.flags & MTLSWATCH_IO_TURN) != 0 && io.turn == 1;
}

/// Whether a backend is spoken to over TLS.
bool begins_tls(const ConnectionState& connection, const mtlswatch_io& io, std::span<const std::uint8_t> data) {
  const bool is_new = !connection.framer && !connection.encrypted && !connection.is_unix && is_first(connection, io);
  return is_new && data.size() >= 2 && data[0] == 0x16 && data[1] == 3;
}

}  // namespace

void StreamReader::open(const mtlswatch_connection& record) {
  ConnectionState& connection = connections_.find_or_add(record.cookie);
  if (record.role != MTLSWATCH_ROLE_UNKNOWN || !connection.announced) connection.role = static_cast<Role>(record.role);
  connection.is_unix = record.family == AF_UNIX;
  connection.predates = (record.flags & MTLSWATCH_CONNECTION_PREDATES) != 0;
  const bool may_be_accepted = connection.role == Role::kIngress || connection.role == Role::kUnknown;
  const bool may_begin = may_be_accepted && !connection.announced && !connection.predates && !connection.framer;
  connection.announced = true;
  if (may_begin) connection.beginning = std::make_unique<ConnectionBeginning>(record.cookie);
}

void StreamReader::read(const mtlswatch_io& io, std::span<const std::uint8_t> data, std::vector<Event>& out, ByteMask* mask) {
  ConnectionState* connection = connections_.find(io.cookie);
  if (connection == nullptr) {
    if (data.empty()) return;
    ++connections_unknown_;
    connection = &connections_.find_or_add(io.cookie);
    connection->is_unix = (io.flags & MTLSWATCH_IO_RELATIVE) != 0;
  }
  if (connection->role == Role::kEgress || connection->role == Role::kOther) return;
  const Piece piece = piece_of(io, data);
  const bool is_send = (io.flags & MTLSWATCH_IO_SEND) != 0;
  if ((io.flags & MTLSWATCH_IO_BACKEND) != 0) {
    if (!is_send && begins_tls(*connection, io, data)) connection->encrypted = std::make_unique<EncryptedTurns>();
    if (connection->encrypted) return read_encrypted(*connection, io, piece, out, mask);
    connection->beginning.reset();
    return is_send ? read_response(*connection, io, piece, out, mask) : read_request(*connection, io, piece, out, mask);
  }
  read_beginning(*connection, is_send, piece, out, mask);
}

void StreamReader::read_beginning(ConnectionState& connection, bool is_send, const Piece& piece, std::vector<Event>& out,
                                  ByteMask* mask) {
  if (!connection.beginning) return;
  if (is_send) connection.beginning->send(piece, out, mask);
  if (!is_send) connection.beginning->receive(piece, out, mask);
  if (connection.beginning->done()) connection.beginning.reset();
}

void StreamReader::read_encrypted(ConnectionState& connection, const mtlswatch_io& io, const Piece& piece, std::vector<Event>& out,
                                  ByteMask* mask) {
  const bool is_send = (io.flags & MTLSWATCH_IO_SEND) != 0;
  read_beginning(connection, is_send, piece, out, mask);
  const Actor actor{io.header.pid, io.header.tid};
  if (is_send && piece.turn_start) {
    ResponseSeen seen{.time_ns = io.header.time_ns, .actor = actor, .id = io.cookie};
    seen.first_of_turn = true;
    seen.encrypted = true;
    out.emplace_back(seen);
  }
  if (is_send) return;
  std::vector<EncryptedRequest> requests;
  connection.encrypted->feed(piece, requests, mask);
  for (const EncryptedRequest& request : requests) {
    RequestSeen seen{.time_ns = request.time_ns, .actor = actor, .id = io.cookie, .position = request.position};
    seen.may_be_handshake = request.may_be_handshake;
    seen.head.state = HeadState::kEncrypted;
    out.emplace_back(std::move(seen));
  }
}

void StreamReader::read_request(ConnectionState& connection, const mtlswatch_io& io, const Piece& piece, std::vector<Event>& out,
                                ByteMask* mask) {
  if (connection.opaque || piece.length == 0) return;
  if (!connection.framer) {
    const auto start = is_first(connection, io) ? RequestFramer::Start::kAtRequest : RequestFramer::Start::kAtTurn;
    const auto positions = connection.is_unix ? RequestFramer::Positions::kUnix : RequestFramer::Positions::kTcp;
    connection.framer = std::make_unique<RequestFramer>(parser_, positions, start);
  }
  connection.framer->feed(piece, framed_, mask);
  emit_requests(connection, io, out);
}

void StreamReader::emit_requests(ConnectionState& connection, const mtlswatch_io& io, std::vector<Event>& out) {
  for (FramedRequest& request : framed_) {
    connection.request_seen = true;
    ++connection.unanswered;
    out.emplace_back(RequestSeen{.time_ns = request.time_ns,
                                 .actor = {io.header.pid, io.header.tid},
                                 .id = io.cookie,
                                 .position = request.position,
                                 .relative_position = (io.flags & MTLSWATCH_IO_RELATIVE) != 0,
                                 .head = std::move(request.head)});
  }
  framed_.clear();
}

/// A status line answers a request. Bytes that are none count as an answer only where requests are known to be spoken and
/// no status line has ever been seen: else they continue a response, whatever was read in between (a body that is read
/// while it is answered, requests read ahead).
void StreamReader::read_response(ConnectionState& connection, const mtlswatch_io& io, const Piece& piece, std::vector<Event>& out,
                                 ByteMask* mask) {
  if (connection.opaque || piece.length == 0) return;
  const int status = read_status(as_text(piece.bytes));
  if (mask != nullptr && status != 0) mask->keep(0, kStatusBytes);
  const bool spoken = connection.request_seen || (connection.role == Role::kIngress && !connection.predates);
  if (status == 0 && (connection.status_seen || !piece.turn_start || !spoken)) return;
  connection.status_seen |= status != 0;
  if (is_interim(status)) return;
  if (connection.framer) {
    if (io.received != 0) connection.framer->received_until(io.received, io.header.time_ns, framed_);
    if (connection.unanswered == 0) connection.framer->cut_head(framed_);  // it is answered: no more of it will be read
    emit_requests(connection, io, out);
  }
  const bool may_answer_unseen = connection.unanswered == 0 && connection.framer && connection.framer->lost();
  if (connection.unanswered > 0) --connection.unanswered;
  out.emplace_back(ResponseSeen{.time_ns = io.header.time_ns,
                                .actor = {io.header.pid, io.header.tid},
                                .id = io.cookie,
                                .status = status,
                                .first_of_turn = piece.turn_start || may_answer_unseen});
  if (status != 101) return;
  connection.opaque = true;
  connection.framer.reset();
}

}  // namespace mtlswatch
