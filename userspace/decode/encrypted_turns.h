// SPDX-License-Identifier: Apache-2.0
// Requests over TLS that a backend ends itself. Nothing of them can be read, but the records' headers can: one request is
// taken for each turn of the client that holds application data. Owned by the connection's state.
#pragma once

#include <cstdint>
#include <vector>

#include "userspace/decode/byte_mask.h"
#include "userspace/decode/request_framer.h"

namespace mtlswatch {

struct EncryptedRequest {
  std::uint64_t time_ns = 0;
  std::uint64_t position = 0;     ///< of the turn's first byte; in a handshake's turn, of the record
  bool may_be_handshake = false;  ///< its turn began with handshake records, so it may be the Finished of TLS 1.3
};

/// TCP alone: positions are 32-bit and wrap.
class EncryptedTurns {
 public:
  /// Takes what one receive moved, from the connection's first byte on. mask: marked with what may be recorded.
  void feed(const Piece& piece, std::vector<EncryptedRequest>& out, ByteMask* mask);

 private:
  bool done_ = true;        ///< nothing more to learn of this turn: told, or its records are lost
  bool handshake_ = false;  ///< this turn has handshake records, or answers a ServerHello
  bool said_hello_ = false;  ///< the last record that was seen may be a ClientHello
  std::uint64_t turn_ = 0;  ///< where it began
  std::uint64_t next_ = 0;  ///< where its next record begins
};

}  // namespace mtlswatch
