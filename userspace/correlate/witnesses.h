// SPDX-License-Identifier: Apache-2.0
// Inside one process: which ingress connection caused an upstream request. Two witnesses of adjacency, and what they are
// worth in this process.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "userspace/correlate/connections.h"
#include "userspace/correlate/process_directory.h"

namespace mtlswatch {

/// What the witnesses of one upstream turn say.
struct WitnessAnswer {
  enum class Kind {
    kExact,        ///< ingress is the cause
    kPending,      ///< a response witness may still come
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
      : connections_(connections), processes_(processes) {}

  /// A send: keeps an upstream turn with its request witness, or hands a response witness to the upstream turn it is for.
  /// Returns the upstream connection and turn that got a response witness, if any.
  struct Upstream {
    ConnectionId id = 0;
    std::uint64_t turn = 0;
  };
  Upstream on_send(Connection& connection, const Turn& turn);

  /// What is known of the cause of this upstream turn. is_final: no more evidence will be waited for.
  WitnessAnswer answer(const Connection& upstream, UpstreamTurn& turn, bool is_final);
  /// The process ended; its number may come again.
  void forget(std::uint32_t pid) { trust_.erase(pid); }

 private:
  /// The two witnesses of a process, compared each time both are there: DESIGN section 4, join 2.
  struct Trust {
    std::uint64_t agreements = 0;
    std::uint64_t disagreements = 0;
  };

  static void keep_turn(Connection& connection, const Turn& turn);
  Upstream keep_response_witness(const Connection& connection, const Turn& turn);
  void compare(UpstreamTurn& turn, Trust& trust, bool agree);
  const Connection* ingress(ConnectionId id, std::uint32_t pid) const;
  bool hands_to_other_threads(std::uint32_t pid) const;
  bool is_run_to_completion(std::uint32_t pid) const;
  /// Whether this turn's response may go, or have gone, to another ingress connection without a witness.
  bool other_may_be_answered(const Connection& upstream, const UpstreamTurn& turn, ConnectionId except) const;
  /// All of the turn's response has been read.
  static bool is_over(const Connection& upstream, const UpstreamTurn& turn);

  Connections& connections_;
  const ProcessDirectory& processes_;
  std::unordered_map<std::uint32_t, Trust> trust_;
};

}  // namespace mtlswatch
