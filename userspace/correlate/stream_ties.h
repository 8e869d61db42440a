// SPDX-License-Identifier: Apache-2.0
// What a proxy's own functions say about whose request it sends upstream (the symbol witness), and how far this process is
// believed. Its links are addresses that one function hands to the next; that the chain still means what it meant in the
// version it was learned from, is checked against the sockets.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <utility>

#include "userspace/correlate/connections.h"

namespace mtlswatch {

class StreamTies {
 public:
  explicit StreamTies(Connections& connections) : connections_(connections) {}

  /// Keeps what is said of the next turn of an upstream connection; it replaces what was said before.
  void on_tied(const StreamTied& event);
  /// For a turn that begins now: what was said of it, once.
  std::optional<StreamTie> take(ConnectionId upstream);
  /// Records were lost: what is kept may have been replaced.
  void on_loss() { pending_.clear(); }
  void forget(std::uint32_t pid) { trust_.erase(pid); }
  void sweep(std::uint64_t now_ns);

  /// A client was answered while its thread had last received from this turn's upstream connection: agrees if it is the
  /// one that the tie names. Where nobody else is being served, that proves nothing and is not counted.
  void on_answered(UpstreamTurn& turn, ConnectionId client, std::uint32_t pid);
  /// No more answers: a tie whose client was never among those answered is contradicted.
  void on_turn_over(const UpstreamTurn& turn, std::uint32_t pid);

  /// The tied client's connection, if what is known of it does not speak against it; else null.
  const Connection* client(const StreamTie& tie, std::uint32_t pid) const;
  bool is_trusted(std::uint32_t pid) const;
  WitnessTrust trust(std::uint32_t pid) const;
  /// Whether a process was believed anew since this was asked last: what waits for that can be settled.
  bool take_news() { return std::exchange(has_news_, false); }
  /// It said what cannot be: nothing that it says is believed any more.
  bool is_broken(std::uint32_t pid) const;

  static constexpr std::uint64_t kPendingNs = 60'000'000'000;  ///< a request is sent at once, or when connected
  static constexpr std::uint64_t kAgreements = 8;              ///< before a process is believed

 private:
  struct Pending {
    StreamTie tie;
    std::uint64_t time_ns = 0;
  };
  struct Tally {
    std::uint64_t agreements = 0;
    std::uint64_t contradictions = 0;
    void count(bool agrees);
  };
  struct Trust {
    Tally received;  ///< later streams of a session, against what their thread had just received from
    Tally answered;  ///< streams, against who was answered when their answer had just been received
    bool broken = false;
  };
  static constexpr std::uint64_t kRemembered = 256;
  static constexpr std::size_t kMostPending = 65536;
  bool serves_others(ConnectionId client, std::uint32_t pid) const;
  void keep(const StreamTied& event);
  void compare_with_received(const StreamTied& event);
  void count(std::uint32_t pid, Tally Trust::*tally, bool agrees);

  Connections& connections_;
  std::unordered_map<ConnectionId, Pending> pending_;
  std::unordered_map<std::uint32_t, Trust> trust_;
  bool has_news_ = false;
};

}  // namespace mtlswatch
