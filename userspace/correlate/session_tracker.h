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
///   handshaking -- connection closed, or kAbandonedNs without news  --> failed   report, unknown: "abandoned",
///                  or "not_observed" when no probe told of a step
/// Established and failed are final in this version: a later step changes nothing.
class SessionTracker {
 public:
  explicit SessionTracker(const ProcessDirectory& processes) : processes_(processes) {}

  void on_client_hello(Connection& connection, const ClientHelloSeen& event);
  void on_server_hello(Connection& connection, const ServerHelloSeen& event);
  void on_certificate(Connection& connection, const PeerCertificate& event);
  std::optional<HandshakeReport> on_step(Connection& connection, const HandshakeStep& event);
  /// The connection closed, or now_ns is kAbandonedNs past its last news.
  std::optional<HandshakeReport> on_closed(Connection& connection, std::uint64_t time_ns);

  static constexpr std::uint64_t kAbandonedNs = 60'000'000'000;

 private:
  HandshakeReport report(Connection& connection, std::uint64_t time_ns, const char* outcome, std::string reason) const;
  const ProcessDirectory& processes_;
};

/// Whether the handshake resumed an older session; absent where the hellos do not tell (RFC 8446 section 4.2.11, RFC 5246
/// section 7.4.1.3, RFC 5077 section 3.4).
std::optional<bool> is_resumption(const std::optional<ClientHello>& client, const std::optional<ServerHello>& server);

/// event.reason for an SSL_R_* number; alerts that were received are "alert_NAME". "ssl_error_N" for others.
std::string handshake_failure_text(int reason);

}  // namespace mtlswatch
