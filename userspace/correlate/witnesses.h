// SPDX-License-Identifier: Apache-2.0
// Inside one process: which ingress connection caused an upstream request. Two witnesses of adjacency on the sockets, which
// prove it in proxies that do one thing at a time, and the symbol witness for one that queues.
#pragma once

#include <cstdint>
#include <set>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "userspace/correlate/connections.h"
#include "userspace/correlate/content_witness.h"
#include "userspace/correlate/process_directory.h"
#include "userspace/correlate/stream_ties.h"

namespace mtlswatch {

/// What the witnesses of one upstream turn say.
struct WitnessAnswer {
  enum class Kind {
    kExact,        ///< ingress is the cause
    kExactIfOnly,  ///< it is, if nobody else can have asked
    kPending,      ///< more evidence may still come
    kInconclusive  ///< only the candidate set can tell
  };
  Kind kind = Kind::kInconclusive;
  ConnectionId ingress = 0;
  std::uint64_t ingress_position = 0;  ///< where the ingress turn began that the request came in
  const char* method = "none";
};

class Witnesses {
 public:
  Witnesses(Connections& connections, const ProcessDirectory& processes)
      : connections_(connections), processes_(processes), ties_(connections), content_(connections) {}

  /// A send: keeps an upstream turn with its request witness, or hands a response witness to the upstream turn it is for.
  /// Returns the upstream connection and turn that got a response witness, if any.
  struct Upstream {
    ConnectionId id = 0;
    std::uint64_t turn = 0;
  };
  Upstream on_send(Connection& connection, const Turn& turn);

  /// What is known of the cause of this upstream turn. is_final: no more evidence will be waited for.
  WitnessAnswer answer(const Connection& upstream, const UpstreamTurn& turn, bool is_final);
  void on_tied(const StreamTied& event) { ties_.on_tied(event); }
  void on_closed(Connection& connection);
  void on_established(const Connection& ingress);
  void on_loss();
  /// What the process read from its clients: asked where all else leaves it open.
  ContentWitness& content() { return content_; }
  const ContentWitness& content() const { return content_; }
  WitnessTrust trust(std::uint32_t pid) const;
  bool take_news() { return ties_.take_news(); }
  /// Processes in which the sockets alone left it open lately who asked, or may be misled: the symbol witness is worth its
  /// cost there.
  std::set<std::uint32_t> in_need() const;
  void sweep(std::uint64_t now_ns);
  /// The process ended; its number may come again.
  void forget(std::uint32_t pid);

  static constexpr std::uint64_t kNeedNs = 600'000'000'000;  ///< so long after the last request that was in need

 private:
  /// What the sockets say of one upstream turn.
  struct Asked {
    const Connection* client = nullptr;          ///< read from last when the request went out
    const ResponseWitness* answered = nullptr;   ///< sent to when what came back had been read
    std::size_t clients = 0;                     ///< so many were
    bool agree = false;
  };
  Asked who_asked(const UpstreamTurn& turn, std::uint32_t pid);
  WitnessAnswer answer_of_sockets(const Connection& upstream, const UpstreamTurn& turn, const Asked& asked, bool is_final) const;
  void note_need(const Asked& asked, const WitnessAnswer& by_sockets, std::uint32_t pid, std::uint64_t time_ns);
  void keep_turn(Connection& connection, const Turn& turn);
  Upstream keep_response_witness(const Connection& connection, const Turn& turn);
  /// A client that was answered when what came back had just been received, and how many such clients there are.
  const ResponseWitness* client_answered(const UpstreamTurn& turn, std::uint32_t pid, std::size_t& clients) const;
  WitnessAnswer by_tie(const StreamTie& tie, bool sockets_agree, std::uint32_t pid, bool is_final) const;
  const Connection* ingress(ConnectionId id, std::uint32_t pid) const;
  /// Who is read from after the first send since the handshake was not said farewell to.
  bool is_answer(const ResponseWitness& answered) const;
  bool may_agree_by_timers(std::string_view proxy, const ResponseWitness& answered, std::uint32_t pid) const;
  /// Whether this turn's response may go, or have gone, to another ingress connection without a witness.
  bool other_may_be_answered(const Connection& upstream, const UpstreamTurn& turn, ConnectionId except) const;
  /// Whether anybody else who was connected then had ever asked anything: pipelined, it may have been this.
  bool other_has_asked(const UpstreamTurn& turn, ConnectionId except, std::uint32_t pid) const;
  /// All of the turn's response has been read.
  static bool is_over(const Connection& upstream, const UpstreamTurn& turn);

  Connections& connections_;
  const ProcessDirectory& processes_;
  StreamTies ties_;
  ContentWitness content_;
  std::unordered_map<std::uint32_t, std::pair<ConnectionId, std::uint64_t>> last_sent_;  ///< upstream: connection, when
  std::unordered_map<std::uint32_t, std::uint64_t> needs_;  ///< when in_need last
  std::unordered_set<std::uint32_t> delays_;  ///< processes that sent a request on while they had read from another client
};

}  // namespace mtlswatch
