// SPDX-License-Identifier: Apache-2.0
// What the first bytes of an ingress connection of a front say: its protocol, and the hellos of TLS. Owned by the
// connection's state until it has nothing more to learn.
//
//   state         accepts                        emits                                  goes to
//   kUndecided    the first bytes                ConnectionBegan, once known            kProxyHeader, kHello, kDone
//   kProxyHeader  a PROXY protocol header        nothing                                kUndecided, kDone
//   kHello        the ClientHello                ClientHelloSeen, whole or cut          kDone
//   kDone         -                              -                                      -
//   Behind each PROXY protocol header another ConnectionBegan tells what it stood before.
//   The other direction waits, once TLS is known, for a ServerHello and emits ServerHelloSeen (twice after a
//   HelloRetryRequest). Missing bytes, a cut, or an answer end kUndecided as kOther and kHello with what is there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "userspace/decode/byte_mask.h"
#include "userspace/decode/request_framer.h"
#include "userspace/model/events.h"

namespace mtlswatch {

/// What bytes begin. decided_at: index of the byte that told, 0 bytes or less known: nothing.
struct BeginningKind {
  FirstBytes kind = FirstBytes::kOther;
  std::size_t decided_at = 0;
};
std::optional<BeginningKind> kind_of_beginning(std::string_view text);

class ConnectionBeginning {
 public:
  explicit ConnectionBeginning(ConnectionId id) : id_(id) {}

  void receive(const Piece& piece, std::vector<Event>& out, ByteMask* mask);
  void send(const Piece& piece, std::vector<Event>& out, ByteMask* mask);

  /// Nothing more can be learnt in either direction.
  bool done() const { return state_ == State::kDone && (!tls_ || server_hellos_left_ == 0); }

 private:
  enum class State { kUndecided, kProxyHeader, kHello, kDone };

  bool append(const Piece& piece);
  void advance(std::uint64_t time_ns, const BufferMask& mask, std::vector<Event>& out);
  bool decide(std::uint64_t time_ns, const BufferMask& mask, std::vector<Event>& out);
  bool pass_proxy_header(const BufferMask& mask);
  void read_client_hello(std::uint64_t time_ns, bool last, const BufferMask& mask, std::vector<Event>& out);
  void give_up(std::uint64_t time_ns, std::vector<Event>& out);
  void keep_decided(const BeginningKind& kind, std::string_view text, const BufferMask& mask) const;
  void finish();

  ConnectionId id_;
  State state_ = State::kUndecided;
  bool started_ = false;
  std::uint64_t next_ = 0;              ///< position of the next byte
  std::vector<std::uint8_t> received_;  ///< at most MTLSWATCH_FIRST_BYTES
  std::size_t start_ = 0;               ///< in received_: of what comes after a PROXY header
  bool tls_ = false;
  std::vector<std::uint8_t> sent_;  ///< at most MTLSWATCH_HELLO_BYTES
  int server_hellos_left_ = 2;
};

}  // namespace mtlswatch
