// SPDX-License-Identifier: Apache-2.0
// From a backend's request outwards: who is at the other end, which ingress connection caused it there, and so on.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "userspace/correlate/connections.h"
#include "userspace/correlate/process_directory.h"
#include "userspace/correlate/witnesses.h"
#include "userspace/model/provenance.h"

namespace mtlswatch {

class ProvenanceTracer {
 public:
  ProvenanceTracer(Connections& connections, const ProcessDirectory& processes, Witnesses& witnesses)
      : connections_(connections), processes_(processes), witnesses_(witnesses) {}

  /// A request as its receiver saw it.
  struct Received {
    const Connection* accepted = nullptr;
    std::uint64_t position = 0;     ///< stream position of its first byte
    std::uint64_t response_ns = 0;  ///< 0: not answered, or not known
    bool by_backend = true;         ///< false: by a hop
    const HeadPrint* head = nullptr;  ///< null: not known, or nobody asks
  };

  /// When the peer sent it. TLS hides where in a turn it began.
  struct Sending {
    std::uint64_t from_ns = 0;
    std::uint64_t until_ns = 0;
  };

  /// The way of a backend's request. is_settled becomes false where evidence may still come and is_final is false.
  Provenance trace(const Received& request, bool is_final, bool& is_settled);

  static constexpr int kMostHops = 8;  ///< loops end here

 private:
  void walk(Received step, Provenance& way);
  /// One hop further out. Returns the next step, or nothing accepted when the origin is reached or unknown.
  Received follow(const Received& step, Provenance& way);
  Received leave(const Received& step, Connection& upstream, const ProcessFacts& peer, Provenance& way);
  Received choose(const Received& step, const Connection& upstream, const Sending& sending, Provenance& way);
  std::optional<ContentWitness::Client> by_content(const Received& step, const Connection& upstream, UpstreamTurn& turn, const Sending& sending);
  Received enter(const Connection& ingress, std::uint64_t position, const char* evidence, Provenance& way);
  Received pass_relay(const Connection& relay, Provenance& way);
  void meet_peer(const Connection& accepted, const Connection* upstream, Provenance& way);
  bool is_only_candidate(ConnectionId ingress, const Connection& upstream, const Sending& sending) const;
  std::vector<Origin> candidates(const Connection& upstream, const Sending& sending);
  void add_origins_behind(const Connection& ingress, const Sending& sending, std::vector<Origin>& origins);
  Origin origin_of(const Connection& ingress, std::uint64_t position);
  const Connection* relay_of(const Connection& accepted);
  bool may_be_a_fronts_own(const Connection& ingress);
  void wait_unless(bool enough) { is_settled_ = is_settled_ && (enough || is_final_); }

  Connections& connections_;
  const ProcessDirectory& processes_;
  Witnesses& witnesses_;
  bool is_final_ = false;   ///< of the present trace: no more evidence will come
  bool is_settled_ = true;  ///< of the present trace: none is missing
  int depth_ = 0;           ///< of candidates behind candidates
};

}  // namespace mtlswatch
