// SPDX-License-Identifier: Apache-2.0
#include "userspace/correlate/session_tracker.h"

#include <array>
#include <cerrno>

#include "userspace/base/event_id.h"

namespace mtlswatch {
namespace {

struct ReasonText {
  int reason;
  const char* text;
};

// include/openssl/sslerr.h; equal in 1.1.1 and 3.x. 1000 + n is alert n received (RFC 8446 section 6).
constexpr std::array kReasons = {
    ReasonText{101, "no_suitable_key_share"},
    ReasonText{123, "bad_signature"},
    ReasonText{134, "certificate_verify_failed"},
    ReasonText{135, "certificate_length_mismatch"},
    ReasonText{155, "https_proxy_request"},
    ReasonText{156, "http_request"},
    ReasonText{193, "no_shared_cipher"},
    ReasonText{199, "peer_did_not_return_a_certificate"},
    ReasonText{235, "no_application_protocol"},
    ReasonText{252, "unknown_protocol"},
    ReasonText{258, "unsupported_protocol"},
    ReasonText{267, "wrong_version_number"},
    ReasonText{294, "peer_closed"},
    ReasonText{396, "version_too_low"},
    ReasonText{410, "no_shared_groups"},
    ReasonText{1000, "alert_close_notify"},
    ReasonText{1010, "alert_unexpected_message"},
    ReasonText{1020, "alert_bad_record_mac"},
    ReasonText{1040, "alert_handshake_failure"},
    ReasonText{1042, "alert_bad_certificate"},
    ReasonText{1043, "alert_unsupported_certificate"},
    ReasonText{1044, "alert_certificate_revoked"},
    ReasonText{1045, "alert_certificate_expired"},
    ReasonText{1046, "alert_certificate_unknown"},
    ReasonText{1047, "alert_illegal_parameter"},
    ReasonText{1048, "alert_unknown_ca"},
    ReasonText{1050, "alert_decode_error"},
    ReasonText{1051, "alert_decrypt_error"},
    ReasonText{1070, "alert_protocol_version"},
    ReasonText{1080, "alert_internal_error"},
    ReasonText{1090, "alert_user_canceled"},
    ReasonText{1116, "alert_certificate_required"},
    ReasonText{1120, "alert_no_application_protocol"},
};

constexpr std::uint16_t kTls13 = 0x0304;

bool is_waiting(const HandshakeStep& step) {
  if (step.reason) return false;
  if (!step.receive_result) return true;
  const int result = *step.receive_result;
  return result > 0 || result == -EAGAIN || result == -EINTR;
}

std::string failure_text(const HandshakeStep& step) {
  if (step.reason) return handshake_failure_text(*step.reason);
  return step.receive_result && *step.receive_result < 0 ? "socket_error" : "peer_closed";
}

std::string success_text(const Session& session) {
  if (!session.presented) return "established";
  if (!*session.presented) return "no_client_certificate";
  if (!session.verify_code) return "established";
  return *session.verify_code == 0 ? "verified_client_certificate" : "client_certificate_not_verified";
}

}  // namespace

std::string handshake_failure_text(int reason) {
  for (const ReasonText& row : kReasons) {
    if (row.reason == reason) return row.text;
  }
  return (reason >= 1000 && reason < 1256 ? "alert_" + std::to_string(reason - 1000) : "ssl_error_" + std::to_string(reason));
}

std::optional<bool> is_resumption(const std::optional<ClientHello>& client, const std::optional<ServerHello>& server) {
  if (!client || !server || server->is_retry_request) return std::nullopt;
  if (server->version >= kTls13) {
    // A key share of post-quantum size stands before the extension that says so: unread is not absent.
    const bool unknown = server->cut && !server->selected_pre_shared_key;
    return unknown ? std::nullopt : std::optional<bool>(server->selected_pre_shared_key);
  }
  if (client->session_id.empty()) {
    // A server may accept a ticket without echoing an id; then the hellos alone do not tell.
    return client->has_session_ticket || client->cut ? std::nullopt : std::optional<bool>(false);
  }
  return client->session_id == server->session_id;
}

void SessionTracker::on_client_hello(Connection& connection, const ClientHelloSeen& event) {
  Session& session = connection.session;
  if (!session.client_hello) session.client_hello = event.hello;
  if (session.state != SessionState::kNone) return;
  session.state = SessionState::kHandshaking;
  session.started_ns = event.time_ns;
}

void SessionTracker::on_server_hello(Connection& connection, const ServerHelloSeen& event) {
  std::optional<ServerHello>& known = connection.session.server_hello;
  if (known && !known->is_retry_request) return;
  known = event.hello;
}

void SessionTracker::on_certificate(Connection& connection, const PeerCertificate& event) {
  std::vector<Certificate>& chain = connection.session.chain;
  if (event.index != chain.size()) return;  // a lost one leaves a hole: what follows is not the chain's next
  chain.push_back(event.certificate);
}

std::optional<HandshakeReport> SessionTracker::on_step(Connection& connection, const HandshakeStep& event) {
  Session& session = connection.session;
  if (session.state == SessionState::kEstablished || session.state == SessionState::kFailed) return std::nullopt;
  if (session.state == SessionState::kNone) session.started_ns = event.started_ns;
  session.state = SessionState::kHandshaking;
  session.tls_accepted = false;  // not yet
  connection.handshake_certificates += event.certificates;
  if (event.verify_code) session.verify_code = event.verify_code;
  session.resumed = is_resumption(session.client_hello, session.server_hello);
  if (connection.handshake_certificates > 0) {
    session.presented = true;
    session.resumed = false;  // a certificate on the wire means a full handshake
  } else if (event.result == 1 && session.resumed == false) {
    session.presented = false;
    session.verify_code = 0;  // X509_V_OK, as SSL_get_verify_result says when nothing was sent
  }
  if (event.result != 1 && is_waiting(event)) return std::nullopt;
  session.finished_ns = event.time_ns;
  session.tls_accepted = event.result == 1;
  session.state = event.result == 1 ? SessionState::kEstablished : SessionState::kFailed;
  session.failure_reason = event.result == 1 ? std::nullopt : event.reason;
  return event.result == 1 ? report(connection, event.time_ns, "success", success_text(session))
                           : report(connection, event.time_ns, "failure", failure_text(event));
}

std::optional<HandshakeReport> SessionTracker::on_closed(Connection& connection, std::uint64_t time_ns) {
  Session& session = connection.session;
  if (session.state != SessionState::kHandshaking || connection.handshake_reported) return std::nullopt;
  session.state = SessionState::kFailed;
  session.finished_ns = time_ns;
  if (connection.touched_by_loss) return report(connection, time_ns, "unknown", "event_loss");
  if (!session.tls_accepted) return report(connection, time_ns, "unknown", "not_observed");
  return report(connection, time_ns, "unknown", "abandoned");
}

HandshakeReport SessionTracker::report(Connection& connection, std::uint64_t time_ns, const char* outcome,
                                       std::string reason) const {
  connection.handshake_reported = true;
  HandshakeReport report;
  report.time_ns = time_ns;
  report.event_id = event_id(time_ns, connection.opened.id, connection.session.started_ns);
  report.session = connection.session;
  report.outcome = outcome;
  report.reason = std::move(reason);
  report.source = connection.opened.remote;
  report.destination = connection.opened.local;
  report.bound = true;
  report.process = processes_.find(connection.owner_pid);
  return report;
}

}  // namespace mtlswatch
