// SPDX-License-Identifier: Apache-2.0
// Requests that a backend has read and that are not settled yet.
#pragma once

#include <cstdint>
#include <deque>
#include <unordered_map>
#include <vector>

#include "userspace/correlate/connections.h"
#include "userspace/correlate/process_directory.h"
#include "userspace/correlate/provenance_tracer.h"
#include "userspace/model/provenance.h"

namespace mtlswatch {

/// Life of an exchange:
///   begun    -- final status             --> answered   deadline kAfterResponseNs after it
///   begun    -- kWithoutResponseNs       --> settled    without a status
///   answered -- evidence complete        --> settled    but not while it is open who is a front: await_discovery
///   answered -- deadline, or connection gone --> settled    with what evidence there is
/// A settled exchange leaves; each leaves exactly once. Only what a backend's own router hands to its workers does not
/// leave: it was an exchange of the router's.
class ExchangeTracker {
 public:
  ExchangeTracker(Connections& connections, const ProcessDirectory& processes, ProvenanceTracer& tracer,
                  std::size_t capacity)
      : connections_(connections), processes_(processes), tracer_(tracer), capacity_(capacity) {}

  /// was_under_way: records were lost since it began to arrive. begins_turn: the backend has sent something since whatever it
  /// had read before.
  void on_request(RequestSeen event, bool was_under_way, bool begins_turn, std::vector<SettledExchange>& settled);
  void on_response(const ResponseSeen& event, std::vector<SettledExchange>& settled);
  /// What was received there in the clear was no request after all.
  void forget_plaintext(ConnectionId backend_connection);
  /// New evidence for whatever this backend connection has under way.
  void retry(ConnectionId backend_connection, std::vector<SettledExchange>& settled);
  /// Likewise for all of them: of an upstream connection not every turn is kept until the deadline.
  void retry_all(std::vector<SettledExchange>& settled);
  void on_tick(std::uint64_t now_ns, std::vector<SettledExchange>& settled);
  /// A process has begun to listen, or became another program: whether it is a front is known only when discovery has
  /// looked at it. Until then no peer is taken for a stranger.
  void await_discovery(std::uint64_t until_ns) { discovery_due_ns_ = until_ns; }
  /// Records were lost: what is under way may miss evidence.
  void taint();
  std::size_t size() const { return size_; }

  static constexpr std::uint64_t kAfterResponseNs = 2'000'000'000;
  static constexpr std::uint64_t kWithoutResponseNs = 10'000'000'000;

 private:
  struct Exchange {
    SettledExchange facts;
    std::uint64_t deadline_ns = 0;
    std::uint64_t retry_ns = 0;  ///< 0: only new evidence makes a difference
    bool settled = false;  ///< settled without a status; kept until its response, which must not look unseen
  };
  using Queue = std::deque<Exchange>;

  bool may_miss_response(ConnectionId id) const;
  void give_up_unanswered(ConnectionId id, std::uint64_t now_ns, std::vector<SettledExchange>& settled);
  void enter(ConnectionId id, Exchange exchange, std::vector<SettledExchange>& settled);
  bool try_settle(ConnectionId id, Exchange& exchange, bool is_final, std::vector<SettledExchange>& settled);
  void drop_settled(Queue& queue);

  Connections& connections_;
  const ProcessDirectory& processes_;
  ProvenanceTracer& tracer_;
  std::size_t capacity_;
  std::size_t size_ = 0;
  std::uint64_t discovery_due_ns_ = 0;
  std::unordered_map<ConnectionId, Queue> queues_;  ///< by backend connection, oldest request first
};

}  // namespace mtlswatch
