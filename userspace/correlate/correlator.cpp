// SPDX-License-Identifier: Apache-2.0
#include "userspace/correlate/correlator.h"

#include <algorithm>
#include <utility>

namespace mtlswatch {
namespace {

constexpr std::uint16_t kTls13 = 0x0304;
constexpr std::uint64_t kSweepNs = 1'000'000'000;
constexpr std::uint64_t kBacklogNs = 60'000'000'000;  ///< so long a connection may wait for a busy server to accept it
constexpr std::uint64_t kDiscoveryNs = 500'000'000;  ///< discovery looks at a new listener well within this

/// A process that dials out over TLS is a client there, and the certificate that it is shown is a server's. Of a socket
/// whose role is not known, a ClientHello that came in tells.
bool serves_tls(const Connection& connection) {
  return connection.role == Role::kIngress || (connection.role == Role::kUnknown && connection.session.client_hello);
}

/// One for each turn: what comes while hands are still being shaken is not one yet. Before TLS 1.3 application data is never
/// a handshake's (RFC 5246 section 6.2.1), though the call that ends the handshake may return after it was received.
bool is_encrypted_request(Connection& connection, const RequestSeen& event) {
  const Session& session = connection.session;
  const bool hides_handshakes = !session.server_hello || session.server_hello->version >= kTls13;
  const bool is_undecided = event.may_be_handshake && hides_handshakes && session.state != SessionState::kEstablished;
  if (is_undecided) connection.undecided = Connection::Undecided{event.time_ns, event.actor, event.position, connection.receive_turn_ns};
  if (session.state == SessionState::kFailed || is_undecided) return false;
  return std::exchange(connection.asked_turn_ns, connection.receive_turn_ns) != connection.receive_turn_ns;
}

/// Of bytes that a backend took for TLS, in vain: no request among them ever reached it.
bool is_no_tls(const Session& session) { return session.state == SessionState::kFailed && !session.client_hello; }

/// A server that feeds OpenSSL through memory may read the end of a TLS 1.3 handshake and a request in one piece. That data
/// came out of it then, and no other turn of the client has come since, tells that there was a request.
std::optional<RequestSeen> request_behind_handshake(Connection& connection, const HandshakeStep& event) {
  if (event.driver != HandshakeDriver::kRead || event.result <= 0) return std::nullopt;
  const auto undecided = std::exchange(connection.undecided, std::nullopt);
  const bool is_latest = undecided && undecided->turn_ns == connection.receive_turn_ns;
  if (!is_latest || connection.asked_turn_ns == undecided->turn_ns) return std::nullopt;
  connection.asked_turn_ns = undecided->turn_ns;
  RequestSeen request{.time_ns = undecided->time_ns, .actor = undecided->actor, .id = event.id, .position = undecided->position};
  request.head.state = HeadState::kEncrypted;
  return request;
}

}  // namespace

Correlator::Correlator(const LimitsConfig& limits)
    : connections_(limits.connections),
      witnesses_(connections_, processes_),
      sessions_(processes_),
      tracer_(connections_, processes_, witnesses_),
      exchanges_(connections_, processes_, tracer_, limits.exchanges) {}

void Correlator::on(Event event, Findings& out) {
  std::visit([&](auto& item) { handle(item, out); }, event);
}

void Correlator::handle(const ConnectionOpened& event, Findings&) {
  ConnectionOpened opened = event;
  if (opened.role == Role::kUnknown) {
    const Connection* known = connections_.find(opened.id);  // what a scan found out may overtake the socket's own record
    opened.role = known ? known->role : Role::kUnknown;
    if (opened.role == Role::kUnknown && listens_on(opened.actor.pid, opened.local)) opened.role = Role::kIngress;
  }
  Connection& connection = connections_.open(opened);
  // A socket's record is told again after a loss; what happened on it before may be what was lost.
  connection.touched_by_loss |= last_loss_ns_ != 0 && opened.time_ns <= last_loss_ns_;
  connection.follows_loss |= last_loss_ns_ != 0 && opened.time_ns <= last_loss_ns_ + kBacklogNs;
}

void Correlator::handle(const Turn& event, Findings& out) {
  Connection* connection = connections_.find(event.id);
  if (!connection) return;
  connections_.touch(*connection, event.actor, event.time_ns);
  if (event.end_of_stream) connection->ended_ns = event.time_ns;
  if (!event.is_send) {
    if (event.first_of_turn) note_receive(*connection, event);
    return;
  }
  const Witnesses::Upstream upstream = witnesses_.on_send(*connection, event);
  connection->unanswered_ns = 0;
  if (upstream.id != 0) retry_waiting(upstream.id, out);
  if (witnesses_.take_news()) exchanges_.retry_all(out.exchanges);
}

void Correlator::handle(const StreamTied& event, Findings& out) {
  witnesses_.on_tied(event);
  if (witnesses_.take_news()) exchanges_.retry_all(out.exchanges);
}

void Correlator::handle(const ContentRead& event, Findings&) { witnesses_.content().on_read(event); }

void Correlator::note_receive(Connection& connection, const Turn& event) {
  if (!connection.first_received_position) connection.first_received_position = event.position;
  connection.receive_turn_position = event.position;
  connection.receive_turn_ns = event.time_ns;
  connection.unanswered_ns = event.time_ns;
  if (connection.first_request_ns != 0) return;
  const bool plaintext = connection.first_bytes && *connection.first_bytes != FirstBytes::kTls &&
                         *connection.first_bytes != FirstBytes::kProxyProtocol;
  if (plaintext || connection.session.state == SessionState::kEstablished) connection.first_request_ns = event.time_ns;
}

void Correlator::handle(const ConnectionBegan& event, Findings&) {
  Connection* connection = connections_.find(event.id);
  if (!connection) return;
  connection->first_bytes = event.kind;
  const bool may_be_request = event.kind != FirstBytes::kTls && event.kind != FirstBytes::kProxyProtocol;
  if (may_be_request && connection->first_request_ns == 0) connection->first_request_ns = event.time_ns;
}

void Correlator::handle(const ClientHelloSeen& event, Findings&) {
  Connection* connection = connections_.find(event.id);
  if (!connection) return;
  sessions_.on_client_hello(*connection, event);
  connections_.relay_of(*connection);
}

void Correlator::handle(const ServerHelloSeen& event, Findings&) {
  if (Connection* connection = connections_.find(event.id)) sessions_.on_server_hello(*connection, event);
}

void Correlator::handle(RequestSeen& event, Findings& out) {
  Connection* connection = connections_.find(event.id);
  if (connection) connections_.touch(*connection, event.actor, event.time_ns);
  const bool is_encrypted = event.head.state == HeadState::kEncrypted;
  if (is_encrypted ? !connection || !is_encrypted_request(*connection, event) : connection && is_no_tls(connection->session)) return;
  take_request(connection, std::move(event), out);
}

void Correlator::take_request(const Connection* connection, RequestSeen event, Findings& out) {
  const std::uint64_t began_ns = connection && connection->receive_turn_ns != 0 ? connection->receive_turn_ns : event.time_ns;
  const bool begins_turn = connection && connection->receive_turn_position == event.position;
  exchanges_.on_request(std::move(event), began_ns < last_loss_ns_, begins_turn, out.exchanges);
}

void Correlator::handle(const ResponseSeen& event, Findings& out) {
  const Connection* connection = connections_.find(event.id);
  // An HTTP answer contradicts that: then there was a request, though which one is not known any more.
  const bool is_answer = event.encrypted || event.status != 0;
  if (is_answer || !connection || !is_no_tls(connection->session)) exchanges_.on_response(event, out.exchanges);
}

void Correlator::handle(const HandshakeStep& event, Findings& out) {
  Connection* connection = connections_.find(event.id);
  if (connection && connection->role == Role::kEgress) connection->dials_tls = true;
  if (!connection || !serves_tls(*connection)) return;
  connections_.touch(*connection, event.actor, event.time_ns);
  const bool was_established = connection->session.state == SessionState::kEstablished;
  witnesses_.content().on_handshake(*connection, event);
  if (auto report = sessions_.on_step(*connection, event)) out.handshakes.push_back(std::move(*report));
  if (is_no_tls(connection->session)) exchanges_.forget_plaintext(event.id);
  if (auto request = request_behind_handshake(*connection, event)) take_request(connection, std::move(*request), out);
  if (was_established || connection->session.state != SessionState::kEstablished) return;
  witnesses_.on_established(*connection);
  // The first request may have been read together with the client's last handshake message: no turn of its own tells of it.
  for (std::uint64_t* since_ns : {&connection->first_request_ns, &connection->unanswered_ns}) {
    if (*since_ns == 0) *since_ns = event.time_ns;
  }
}

void Correlator::handle(const PeerCertificate& event, Findings&) {
  if (event.ssl == 0) processes_.note_late_authentication(event.actor.pid);
  Connection* connection = connections_.find(event.id);
  if (connection && serves_tls(*connection)) sessions_.on_certificate(*connection, event);
}

void Correlator::handle(const SessionOffered& event, Findings&) {
  Connection* connection = connections_.find(event.id);
  if (connection && connection->role != Role::kEgress) sessions_.on_session_offered(*connection, event);
}

void Correlator::handle(const SessionCached& event, Findings&) {
  Connection* connection = connections_.find(event.id);
  sessions_.on_session_cached(connection && connection->role != Role::kEgress ? connection : nullptr, event);
}

void Correlator::handle(const ConnectionClosed& event, Findings&) {
  Connection* connection = connections_.find(event.id);
  if (!connection) return;
  connections_.close(*connection, event.time_ns);
  connection->ending = event.ending;
  witnesses_.on_closed(*connection);
}

void Correlator::handle(const ProcessChange& event, Findings&) {
  processes_.apply(event);
  const bool may_become_a_front = event.kind == ProcessChangeKind::kListen || (event.kind == ProcessChangeKind::kExec && event.observed);
  // A backend's new child may be its router: what was learnt of its master says where the child no longer listens.
  const bool may_be_a_router = event.kind == ProcessChangeKind::kFork && !processes_.find(event.pid)->backend.empty();
  if (may_become_a_front || may_be_a_router) exchanges_.await_discovery(event.time_ns + kDiscoveryNs);
  if (event.kind != ProcessChangeKind::kExit) return;
  connections_.end_process(event.pid, event.time_ns);
  witnesses_.forget(event.pid);
  sessions_.forget_process(event.pid);
}

void Correlator::handle(const RecordsLost& event, Findings&) {
  last_loss_ns_ = event.to_ns;
  sessions_.forget_sessions();
  exchanges_.taint();
  witnesses_.on_loss();
  connections_.for_each([&](Connection& connection) {
    sessions_.on_loss(connection);
    if (connection.closed_ns != 0) return;
    // A request on it may be what was lost.
    if (connection.first_request_ns == 0) connection.first_request_ns = event.from_ns;
    if (connection.unanswered_ns == 0) connection.unanswered_ns = event.from_ns;
  });
}

void Correlator::handle(const ProcessKnown& event, Findings&) {
  processes_.learn(event.facts);
  if (event.facts.listeners.empty()) return;
  std::vector<ConnectionOpened> accepted;  // sockets that were seen before their process's listeners were known
  connections_.for_each([&](const Connection& connection) {
    const bool unknown = connection.role == Role::kUnknown && connection.owner_pid == event.facts.pid;
    if (unknown && listens_on(event.facts.pid, connection.opened.local)) accepted.push_back(connection.opened);
  });
  for (ConnectionOpened& opened : accepted) {
    opened.role = Role::kIngress;
    connections_.open(opened);
  }
}

void Correlator::handle(const Tick& event, Findings& out) {
  exchanges_.on_tick(event.now_ns, out.exchanges);
  if (event.now_ns >= next_sweep_ns_) sweep(event.now_ns, out);
}

bool Correlator::listens_on(std::uint32_t pid, const Endpoint& local) const {
  const SharedProcess facts = processes_.find(pid);
  return std::any_of(facts->listeners.begin(), facts->listeners.end(), [&](const Endpoint& listener) {
    if (listener.is_unix() || local.is_unix()) return listener.path == local.path;
    return listener.port == local.port && (listener.ip.is_unspecified() || listener.ip == local.ip);
  });
}

void Correlator::retry_waiting(ConnectionId upstream, Findings& out) {
  Connection* sender = connections_.find(upstream);
  if (Connection* backend = sender ? connections_.accepted_end(*sender) : nullptr) {
    exchanges_.retry(backend->opened.id, out.exchanges);
  }
}

void Correlator::sweep(std::uint64_t now_ns, Findings& out) {
  next_sweep_ns_ = now_ns + kSweepNs;
  connections_.for_each([&](Connection& connection) {
    if (connection.is_relayed) return;  // its handshake is told where it ends
    if (auto report = sessions_.on_tick(connection, now_ns)) out.handshakes.push_back(std::move(*report));
  });
  connections_.sweep(now_ns);
  processes_.sweep(now_ns);
  witnesses_.sweep(now_ns);
}

}  // namespace mtlswatch
