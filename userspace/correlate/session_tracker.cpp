// SPDX-License-Identifier: Apache-2.0
#include "userspace/correlate/session_tracker.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "userspace/base/event_id.h"
#include "userspace/correlate/handshake_failure.h"

namespace mtlswatch {
namespace {

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

/// A server that takes early data calls its part of a TLS 1.3 handshake done (SSL_do_handshake returns 1) once it has sent its
/// own flight: before the client has proved anything, also one who replays somebody else's first flight (RFC 8446 section 8).
bool is_half_done(const Connection& connection) {
  const auto& hello = connection.session.server_hello;
  return hello && hello->version >= kTls13 && connection.receive_turn_ns < connection.server_hello_ns;
}

// Servers that ask for a certificate in the handshake or never: neither TLS 1.3 post-handshake authentication nor
// renegotiation.
bool asks_once(std::string_view proxy) { return proxy == "nginx" || proxy == "haproxy"; }

bool has_answered(const Session& session) { return session.server_hello && !session.server_hello->is_retry_request; }

void adopt(const OlderSession& older, Session& session) {
  session.presented = older.presented;
  if (older.presented) session.verify_code = older.verify_code;
  session.chain = older.chain;
  session.has_whole_chain = older.has_whole_chain;
  session.original_server_name = older.server_name;
}

/// Of a failed handshake: the reason is one that is raised before, or in place of, the client's certificate.
bool ended_before_certificates(const Session& session) {
  constexpr std::array kBefore = {101, 155, 156, 193, 199, 235, 252, 258, 267, 396, 410};
  return session.failure_reason && !session.presented &&
         std::find(kBefore.begin(), kBefore.end(), *session.failure_reason) != kBefore.end();
}

std::string success_text(const Session& session) {
  if (!session.presented) return "established";
  if (!*session.presented) return "no_client_certificate";
  if (!session.verify_code) return "established";
  return *session.verify_code == 0 ? "verified_client_certificate" : "client_certificate_not_verified";
}

}  // namespace

std::optional<bool> is_resumption(const ClientHello* client, const ServerHello* server) {
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
  if (!session.client_hello) session.client_hello = std::make_shared<const ClientHello>(event.hello);
  if (session.state != SessionState::kNone) return;
  session.state = SessionState::kHandshaking;
  session.started_ns = event.time_ns;
}

void SessionTracker::on_server_hello(Connection& connection, const ServerHelloSeen& event) {
  std::shared_ptr<const ServerHello>& known = connection.session.server_hello;
  connection.session.retried |= event.hello.is_retry_request;
  if (known && !known->is_retry_request) return;
  known = std::make_shared<const ServerHello>(event.hello);
  connection.server_hello_ns = event.time_ns;
}

void SessionTracker::on_certificate(Connection& connection, const PeerCertificate& event) {
  if (event.of_session) {
    if (connection.offered) connection.offered->chain = {event.certificate};
    return;
  }
  const bool again = connection.session.state == SessionState::kEstablished;
  CertificateChain& chain = again ? connection.renewed_chain : connection.session.chain;
  if (again && event.index == 0) chain.clear();
  if (event.index != chain.size()) return;  // a lost one leaves a hole: what follows is not the chain's next
  chain.push_back(event.certificate);
}

void SessionTracker::on_session_offered(Connection& connection, const SessionOffered& event) {
  if (has_answered(connection.session)) return;  // a ticket that the server is making
  connection.offered.emplace();
  if (!event.complete) return;
  connection.offered->presented = event.has_certificate;
  connection.offered->verify_code = event.verify_code;
  connection.offered->server_name = event.server_name;
}

void SessionTracker::on_session_cached(Connection* connection, const SessionCached& event) {
  const std::uint32_t pid = event.actor.pid;
  if (!event.found) cache_.forget(pid, event.session);
  if (!connection) return;
  if (!event.found && event.own && connection->stored_sessions.size() < Connection::kStored) {
    connection->stored_sessions.push_back(event.session);
    if (connection->session.state == SessionState::kEstablished) remember_stored(*connection);
  }
  if (!event.found || has_answered(connection->session)) return;
  const OlderSession* older = cache_.find(pid, event.session);
  connection->offered = older ? *older : OlderSession{};
}

// The name that a session was made for is its first hello's only if that was read whole, and no other one followed.
void SessionTracker::remember_stored(Connection& connection) {
  const Session& session = connection.session;
  const bool is_new = session.resumed == false;
  const bool knows_name = session.client_hello && !session.client_hello->cut && !session.retried;
  for (const std::uint64_t address : connection.stored_sessions) {
    if (!session.presented || !session.verify_code || (is_new && !knows_name)) continue;
    OlderSession older{session.presented, *session.verify_code, session.chain, session.has_whole_chain, session.original_server_name};
    if (is_new) older.server_name = session.client_hello->server_name;
    cache_.remember(connection.owner_pid, address, std::move(older));
  }
  connection.stored_sessions.clear();
}

// Of a chain with a hole nobody knows where the hole is: the first certificate that was seen need not be the leaf.
void SessionTracker::note_missed_calls(Connection& connection, const HandshakeStep& event) {
  connection.seen_in_part |= event.incomplete;
  if (!connection.seen_in_part) return;
  connection.touched_by_loss = true;
  connection.session.chain.clear();
  connection.offered.reset();
}

void SessionTracker::on_loss(Connection& connection) {
  connection.stored_sessions.clear();
  if (connection.closed_ns != 0) return;
  Session& session = connection.session;
  const bool is_settled = session.state == SessionState::kEstablished;
  const bool may_change = !asks_once(processes_.find(connection.owner_pid)->known_proxy);
  if (is_settled && !may_change) return;
  connection.touched_by_loss = true;
  if (!is_settled) return;
  session.presented.reset();
  session.verify_code.reset();
  session.chain.clear();
}

std::optional<HandshakeReport> SessionTracker::on_step(Connection& connection, const HandshakeStep& event) {
  Session& session = connection.session;
  if (session.state == SessionState::kFailed) return std::nullopt;
  if (session.state == SessionState::kEstablished) return on_step_again(connection, event);
  if (session.state == SessionState::kNone) session.started_ns = event.started_ns;
  session.state = SessionState::kHandshaking;
  note_missed_calls(connection, event);
  if (!session.tls_accepted) connection.seen_late = session.server_hello && event.started_ns > connection.server_hello_ns;
  const bool is_finished = event.result == 1 && !is_half_done(connection);
  const bool has_all = !connection.touched_by_loss;
  const bool sees_certificates = has_all && !connection.seen_late && processes_.find(connection.owner_pid)->tls_coverage != "blind";
  session.tls_accepted = false;  // not yet
  connection.handshake_certificates += event.certificates;
  if (event.verify_code) {
    session.verify_code = event.verify_code;
    session.verify_depth = event.verify_depth;
  }
  session.resumed = is_resumption(session.client_hello.get(), session.server_hello.get());
  if (connection.handshake_certificates > 0) {
    session.presented = true;
    session.has_whole_chain = session.chain.size() == connection.handshake_certificates;
    session.resumed = false;  // a certificate on the wire means a full handshake
  } else if (is_finished && session.resumed == false && sees_certificates) {
    session.presented = false;
    session.verify_code = 0;  // X509_V_OK, as SSL_get_verify_result says when nothing was sent
  } else if (is_finished && session.resumed == true && connection.offered && has_all) {
    adopt(*connection.offered, session);
  }
  if (!is_finished && (event.result == 1 || is_waiting(event))) return std::nullopt;
  session.finished_ns = event.time_ns;
  session.tls_accepted = is_finished;
  session.state = is_finished ? SessionState::kEstablished : SessionState::kFailed;
  session.failure_reason = is_finished ? std::nullopt : event.reason;
  if (ended_before_certificates(session)) {
    session.presented = false;
    session.verify_code = 0;
  }
  if (is_finished) remember_stored(connection);
  return is_finished ? report(connection, event.time_ns, "success", success_text(session))
                     : report(connection, event.time_ns, "failure", failure_text(event));
}

// Post-handshake authentication and renegotiation. A certificate replaces what was known; bytes that moved inside without
// one may have replaced it too.
std::optional<HandshakeReport> SessionTracker::on_step_again(Connection& connection, const HandshakeStep& event) {
  Session& session = connection.session;
  if (connection.closed_ns != 0) return std::nullopt;  // an SSL object of the same address, fed by somebody else
  const bool has_facts = event.certificates > 0 || event.verify_code || event.reason || event.incomplete;
  const bool read_only = event.driver == HandshakeDriver::kRead || event.receive_result.value_or(0) <= 0;
  if (!has_facts && read_only) return std::nullopt;
  session.reauthenticated_ns = event.time_ns;
  session.presented = event.certificates > 0 ? std::optional<bool>(true) : std::nullopt;
  session.verify_code = event.certificates > 0 ? event.verify_code : std::nullopt;
  session.verify_depth = event.certificates > 0 ? event.verify_depth : std::nullopt;
  session.chain = std::exchange(connection.renewed_chain, {});
  session.has_whole_chain = !session.chain.empty() && session.chain.size() == event.certificates;
  session.resumed = event.certificates > 0 ? std::optional<bool>(false) : std::nullopt;
  session.original_server_name.clear();
  note_missed_calls(connection, event);
  if (!has_facts) return std::nullopt;
  session.failure_reason = event.reason;
  if (!event.reason) return report(connection, event.time_ns, "success", success_text(session));
  session.state = SessionState::kFailed;
  return report(connection, event.time_ns, "failure", failure_text(event));
}

std::optional<HandshakeReport> SessionTracker::on_tick(Connection& connection, std::uint64_t now_ns) {
  Session& session = connection.session;
  if (session.state != SessionState::kHandshaking || connection.handshake_reported) return std::nullopt;
  const bool is_closed = connection.closed_ns != 0;
  if (now_ns < (is_closed ? connection.closed_ns + kAfterCloseNs : connection.last_ns + kAbandonedNs)) return std::nullopt;
  session.state = SessionState::kFailed;
  session.finished_ns = is_closed ? connection.closed_ns : now_ns;
  return report_ending(connection);
}

HandshakeReport SessionTracker::report_ending(Connection& connection) const {
  const Session& session = connection.session;
  const std::uint64_t time_ns = session.finished_ns;
  if (connection.touched_by_loss) {
    HandshakeReport lost = report(connection, time_ns, "unknown", "event_loss");
    lost.session.tls_accepted = std::nullopt;  // it may have ended well
    return lost;
  }
  if (!session.tls_accepted) return report(connection, time_ns, "unknown", "not_observed");
  if (session.client_hello && session.client_hello->has_early_data) return report(connection, time_ns, "unknown", "early_data");
  if (connection.ending == Ending::kPeer) return report(connection, time_ns, "failure", "peer_closed");
  if (connection.ending == Ending::kReset) return report(connection, time_ns, "failure", "socket_error");
  const bool gave_up = connection.ending == Ending::kLocal && time_ns >= connection.last_ns + kGaveUpNs;
  return gave_up ? report(connection, time_ns, "failure", "timed_out") : report(connection, time_ns, "unknown", "abandoned");
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
