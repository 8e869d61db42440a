// SPDX-License-Identifier: Apache-2.0
// The correlate stage: events in, handshake reports and settled exchanges out. One thread, no clock of its own.
#pragma once

#include <vector>

#include "userspace/correlate/connections.h"
#include "userspace/correlate/exchange_tracker.h"
#include "userspace/correlate/process_directory.h"
#include "userspace/correlate/provenance_tracer.h"
#include "userspace/correlate/session_tracker.h"
#include "userspace/correlate/witnesses.h"
#include "userspace/model/config.h"
#include "userspace/model/provenance.h"

namespace mtlswatch {

/// What one event led to.
struct Findings {
  std::vector<HandshakeReport> handshakes;
  std::vector<SettledExchange> exchanges;
};

class Correlator {
 public:
  explicit Correlator(const LimitsConfig& limits);

  /// Handles one event; appends to out.
  void on(Event event, Findings& out);

  const ProcessDirectory& processes() const { return processes_; }
  WitnessTrust trust(std::uint32_t pid) const { return witnesses_.trust(pid); }
  /// See Witnesses::in_need.
  std::set<std::uint32_t> in_need_of_witness() const { return witnesses_.in_need(); }
  /// See ContentWitness::in_need and is_told.
  std::set<std::uint32_t> in_need_of_content() const { return witnesses_.content().in_need(); }
  bool compares_heads() const { return witnesses_.content().is_told(); }
  std::size_t connections() const { return connections_.size(); }
  /// Those that may be resumed from a server's own cache.
  std::size_t sessions() const { return sessions_.cache().size(); }
  std::uint64_t sessions_evicted() const { return sessions_.cache().evicted(); }
  std::size_t exchanges() const { return exchanges_.size(); }
  std::uint64_t connections_evicted() const { return connections_.evicted(); }

 private:
  void handle(const ConnectionOpened& event, Findings& out);
  void handle(const Turn& event, Findings& out);
  void handle(const StreamTied& event, Findings& out);
  void handle(const ConnectionBegan& event, Findings& out);
  void handle(const ClientHelloSeen& event, Findings& out);
  void handle(const ServerHelloSeen& event, Findings& out);
  void handle(const ContentRead& event, Findings& out);
  void handle(RequestSeen& event, Findings& out);
  void handle(const ResponseSeen& event, Findings& out);
  void handle(const HandshakeStep& event, Findings& out);
  void handle(const PeerCertificate& event, Findings& out);
  void handle(const SessionOffered& event, Findings& out);
  void handle(const SessionCached& event, Findings& out);
  void handle(const ConnectionClosed& event, Findings& out);
  void handle(const ProcessChange& event, Findings& out);
  void handle(const RecordsLost& event, Findings& out);
  void handle(const ProcessKnown& event, Findings& out);
  void handle(const Tick& event, Findings& out);

  bool listens_on(std::uint32_t pid, const Endpoint& local) const;
  void take_request(const Connection* connection, RequestSeen event, Findings& out);
  void note_receive(Connection& connection, const Turn& event);
  void retry_waiting(ConnectionId upstream, Findings& out);
  void sweep(std::uint64_t now_ns, Findings& out);

  ProcessDirectory processes_;
  Connections connections_;
  Witnesses witnesses_;
  SessionTracker sessions_;
  ProvenanceTracer tracer_;
  ExchangeTracker exchanges_;
  std::uint64_t next_sweep_ns_ = 0;
  std::uint64_t last_loss_ns_ = 0;
};

}  // namespace mtlswatch
