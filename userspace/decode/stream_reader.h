// SPDX-License-Identifier: Apache-2.0
// Follows what moves on connections: hellos and first bytes at fronts, requests and status lines at backends. The
// decoder and the scrubber each own one and feed it the same records, so that they agree on what every byte is.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <mtlswatch/event.h>

#include "userspace/decode/byte_mask.h"
#include "userspace/decode/connection_state.h"
#include "userspace/decode/head_parser.h"
#include "userspace/model/events.h"

namespace mtlswatch {

struct StreamCounters {
  std::uint64_t connections_evicted = 0;  ///< the table was full
  std::uint64_t connections_unknown = 0;  ///< bytes of a connection whose record was lost or evicted
};

class StreamReader {
 public:
  StreamReader(const std::vector<std::string>& identity_headers, std::size_t connection_limit)
      : parser_(identity_headers), connections_(connection_limit) {}
  StreamReader(const StreamReader&) = delete;  // framers point at parser_
  StreamReader& operator=(const StreamReader&) = delete;

  void open(const mtlswatch_connection& record);
  void close(ConnectionId id) { connections_.remove(id); }

  /// data: the record's captured bytes. mask, if given, is marked with those that may be recorded.
  void read(const mtlswatch_io& io, std::span<const std::uint8_t> data, std::vector<Event>& out, ByteMask* mask = nullptr);

  /// See HeadParser.
  void print_heads(bool print) { parser_.print_heads(print); }

  StreamCounters counters() const { return {connections_.evicted(), connections_unknown_}; }

 private:
  void read_request(ConnectionState& connection, const mtlswatch_io& io, const Piece& piece, std::vector<Event>& out, ByteMask* mask);
  void read_response(ConnectionState& connection, const mtlswatch_io& io, const Piece& piece, std::vector<Event>& out, ByteMask* mask);
  void read_encrypted(ConnectionState& connection, const mtlswatch_io& io, const Piece& piece, std::vector<Event>& out, ByteMask* mask);
  void read_beginning(ConnectionState& connection, bool is_send, const Piece& piece, std::vector<Event>& out, ByteMask* mask);
  void emit_requests(ConnectionState& connection, const mtlswatch_io& io, std::vector<Event>& out);

  HeadParser parser_;
  ConnectionTable connections_;
  std::vector<FramedRequest> framed_;  ///< reused
  std::uint64_t connections_unknown_ = 0;
};

}  // namespace mtlswatch
