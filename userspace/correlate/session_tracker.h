// SPDX-License-Identifier: Apache-2.0
// TLS sessions of ingress connections, from hellos, handshake steps and certificates; one report a handshake.
#pragma once

#include <optional>

#include "userspace/correlate/connections.h"
#include "userspace/correlate/process_directory.h"
#include "userspace/model/verdict.h"

namespace mtlswatch {

/// State of a session, what moves it, and what each move emits:
///   none        -- hello or step            --> handshaking
///   handshaking -- step, result 1           --> established   report, success
///   handshaking -- step with an SSL reason, end of stream or socket error --> failed   report, failure
///   handshaking -- kAfterCloseNs after its connection closed, or kAbandonedNs without news  --> failed   report: how the
///                  connection ended, or "abandoned", or "not_observed" when no probe told of a step
///   established -- step with certificates, or with bytes but none  --> established   report, success, if there were any
///   established -- step with an SSL reason   --> failed   report, failure
/// Failed is final: a later step changes nothing.
class SessionTracker {
 public:
  explicit SessionTracker(const ProcessDirectory& processes) : processes_(processes) {}

  void on_client_hello(Connection& connection, const ClientHelloSeen& event);
  void on_server_hello(Connection& connection, const ServerHelloSeen& event);
  void on_certificate(Connection& connection, const PeerCertificate& event);
  void on_session_offered(Connection& connection, const SessionOffered& event);
  void on_session_cached(Connection* connection, const SessionCached& event);
  const SessionCache& cache() const { return cache_; }
  void forget_process(std::uint32_t pid) { cache_.forget_process(pid); }
  /// Records were lost: what the servers' caches hold is not known any more.
  void forget_sessions() { cache_.clear(); }
  /// The same, of one connection: its handshake, or a later one where its server may ask again, may be what was lost.
  void on_loss(Connection& connection);
  std::optional<HandshakeReport> on_step(Connection& connection, const HandshakeStep& event);
  /// A handshake that nothing more will be heard of. A reset closes the socket before the server notices: what it makes of
  /// that is waited for.
  std::optional<HandshakeReport> on_tick(Connection& connection, std::uint64_t now_ns);

  static constexpr std::uint64_t kAbandonedNs = 60'000'000'000;
  static constexpr std::uint64_t kAfterCloseNs = 1'000'000'000;
  static constexpr std::uint64_t kGaveUpNs = 1'000'000'000;  ///< of a silent client: then the server's close is a time-out

 private:
  std::optional<HandshakeReport> on_step_again(Connection& connection, const HandshakeStep& event);
  static void note_missed_calls(Connection& connection, const HandshakeStep& event);
  void remember_stored(Connection& connection);
  HandshakeReport report_ending(Connection& connection) const;
  HandshakeReport report(Connection& connection, std::uint64_t time_ns, const char* outcome, std::string reason) const;
  const ProcessDirectory& processes_;
  SessionCache cache_;
};

/// Whether the handshake resumed an older session; absent where the hellos do not tell (RFC 8446 section 4.2.11, RFC 5246
/// section 7.4.1.3, RFC 5077 section 3.4).
std::optional<bool> is_resumption(const ClientHello* client, const ServerHello* server);

}  // namespace mtlswatch
