// SPDX-License-Identifier: Apache-2.0
#include "userspace/correlate/witnesses.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>

namespace mtlswatch {
namespace {

constexpr std::size_t kMostResponseWitnesses = 8;

// Proxies in which both witnesses on the sockets together are a proof: an event loop that finishes one thing before the
// next, or a thread for each client's request. In one that queues, both agreed and were wrong in 1 of 488 and 2 of 365.
constexpr std::string_view kOneAtATime[] = {"nginx", "apache", "stunnel"};

bool does_one_thing_at_a_time(std::string_view proxy) {
  return std::find(std::begin(kOneAtATime), std::end(kOneAtATime), proxy) != std::end(kOneAtATime);
}

// One thread reads the request, another one sends it on, and both have read other things before.
bool hands_to_other_threads(std::string_view proxy) { return proxy == "varnish"; }

// nginx sends what it has of an answer when it has it, unless the socket is full. Not so in HTTP/2: the client's window may
// be closed, and its head waits in a buffer too.
bool may_speak_http2(const Connection& client) {
  if (client.first_bytes != FirstBytes::kTls) return client.first_bytes != FirstBytes::kHttp1;
  const Session& session = client.session;
  if (session.server_hello && !session.server_hello->alpn.empty()) return session.server_hello->alpn == "h2";
  if (!session.client_hello || session.client_hello->cut) return true;
  const auto& offered = session.client_hello->alpn;
  return std::find(offered.begin(), offered.end(), "h2") != offered.end();
}

// Before a send: nothing else has been sent since the handshake, nor received in a turn of its own.
bool is_first_since_handshake(const Connection& connection) {
  return connection.unanswered_ns != 0 && connection.unanswered_ns == connection.session.finished_ns;
}

}  // namespace

Witnesses::Upstream Witnesses::on_send(Connection& connection, const Turn& turn) {
  // While its role is not known yet, a connection may be either: whoever asks later knows.
  if (connection.role != Role::kIngress && turn.first_of_turn) keep_turn(connection, turn);
  if (connection.role == Role::kEgress) return {};
  connection.blocked = turn.blocked;
  if (turn.blocked || turn.resumed) connection.last_blocked_ns = turn.time_ns;
  return keep_response_witness(connection, turn);
}

void Witnesses::keep_turn(Connection& connection, const Turn& turn) {
  if (connection.first_turn_ns == 0) connections_.note_first_sent(connection, turn.position);
  if (connection.first_turn_ns == 0) connection.first_turn_ns = turn.time_ns;
  if (!connection.turns.empty()) ties_.on_turn_over(connection.turns.back(), connection.owner_pid);
  const Connection* asked = connections_.find(turn.witness.id);
  auto& [last_id, last_ns] = last_sent_[connection.owner_pid];
  const bool is_lone = asked && last_ns < asked->receive_turn_ns;
  last_id = connection.opened.id;
  last_ns = turn.time_ns;
  connection.turns.push_back(
      {turn.turn, turn.position, turn.time_ns, turn.witness, {}, ties_.take(connection.opened.id), false, is_lone});
  if (connection.turns.size() > Connection::kTurns) connection.turns.pop_front();
}

Witnesses::Upstream Witnesses::keep_response_witness(const Connection& connection, const Turn& turn) {
  Connection* upstream = turn.witness.id == 0 ? nullptr : connections_.find(turn.witness.id);
  UpstreamTurn* answered = upstream && upstream->role != Role::kIngress ? upstream->find_turn(turn.witness.turn) : nullptr;
  if (!answered) return {};
  auto& witnesses = answered->response_witnesses;
  const bool known = std::any_of(witnesses.begin(), witnesses.end(),
                                 [&](const auto& witness) { return witness.id == connection.opened.id; });
  if (known || witnesses.size() >= kMostResponseWitnesses) return {};
  const bool begins_answer = turn.first_of_turn || is_first_since_handshake(connection);
  witnesses.push_back({connection.opened.id, connection.receive_turn_position, !turn.resumed, turn.first_of_turn, begins_answer});
  const auto last_sent = last_sent_.find(connection.owner_pid);
  answered->is_lone &= last_sent != last_sent_.end() && last_sent->second == std::pair(upstream->opened.id, answered->time_ns);
  if (!turn.resumed) ties_.on_answered(*answered, connection.opened.id, connection.owner_pid);
  return {upstream->opened.id, answered->turn};
}

WitnessTrust Witnesses::trust(std::uint32_t pid) const {
  const SharedProcess process = processes_.find(pid);
  if (const auto by_content = process->stream_witness.starts_with("content") ? content_.trust(pid) : std::nullopt) return *by_content;
  const bool has_ties = process->stream_witness.starts_with("symbol");
  if (has_ties && (ties_.is_trusted(pid) || !does_one_thing_at_a_time(process->known_proxy))) return ties_.trust(pid);
  if (process->tls_coverage == "blind" || hands_to_other_threads(process->known_proxy)) return {"none", 0, 0};
  return {does_one_thing_at_a_time(process->known_proxy) ? "proof" : "one at a time", 0, 0};
}

void Witnesses::on_loss() {
  ties_.on_loss();
  content_.on_loss();
}

void Witnesses::forget(std::uint32_t pid) {
  ties_.forget(pid);
  content_.forget(pid);
  last_sent_.erase(pid);
  delays_.erase(pid);
  needs_.erase(pid);
}

// It takes a moment to switch a witness on.
void Witnesses::on_established(const Connection& ingress) {
  const bool may_need = processes_.find(ingress.owner_pid)->known_proxy == "nginx" && may_speak_http2(ingress);
  if (may_need) needs_[ingress.owner_pid] = ingress.session.finished_ns;
}

void Witnesses::sweep(std::uint64_t now_ns) {
  ties_.sweep(now_ns);
  content_.sweep(now_ns);
  std::erase_if(needs_, [now_ns](const auto& item) { return now_ns > item.second + kNeedNs; });
}

std::set<std::uint32_t> Witnesses::in_need() const {
  std::set<std::uint32_t> pids;
  for (const auto& [pid, time_ns] : needs_) pids.insert(pid);
  return pids;
}

void Witnesses::on_closed(Connection& connection) {
  if (connection.turns.empty() || connection.role == Role::kIngress) return;
  ties_.on_turn_over(connection.turns.back(), connection.owner_pid);
}

const Connection* Witnesses::ingress(ConnectionId id, std::uint32_t pid) const {
  const Connection* connection = id == 0 ? nullptr : connections_.find(id);
  const bool fits = connection && connection->role == Role::kIngress && connection->owner_pid == pid;
  return fits ? connection : nullptr;
}

bool Witnesses::other_has_asked(const UpstreamTurn& turn, ConnectionId except, std::uint32_t pid) const {
  const auto& all = connections_.ingress_of(pid);
  return std::any_of(all.begin(), all.end(), [&](ConnectionId id) {
    const Connection* other = connections_.find(id);
    const bool was_there = other && id != except && (other->closed_ns == 0 || other->closed_ns >= turn.time_ns);
    return was_there && other->first_request_ns != 0 && other->first_request_ns <= turn.time_ns;
  });
}

bool Witnesses::other_may_be_answered(const Connection& upstream, const UpstreamTurn& turn, ConnectionId except) const {
  const bool over = is_over(upstream, turn);
  const auto& all = connections_.ingress_of(upstream.owner_pid);
  return std::any_of(all.begin(), all.end(), [&](ConnectionId id) {
    const Connection* other = connections_.find(id);
    if (!other || id == except || (other->closed_ns != 0 && other->closed_ns < turn.time_ns)) return false;
    const bool asked_before = other->first_request_ns != 0 && other->first_request_ns <= turn.time_ns;
    const bool withholds_reads =
        other->blocked || other->last_blocked_ns >= turn.time_ns || (asked_before && may_speak_http2(*other));
    const bool still_waits = other->unanswered_ns != 0 && other->unanswered_ns <= turn.time_ns;
    return withholds_reads || (!over && still_waits);
  });
}

bool Witnesses::is_over(const Connection& upstream, const UpstreamTurn& turn) {
  return upstream.turns.back().turn != turn.turn || upstream.closed_ns != 0 || upstream.ended_ns != 0;
}

bool Witnesses::is_answer(const ResponseWitness& answered) const {
  const bool was_read_again = connections_.find(answered.id)->receive_turn_position != answered.position;
  return answered.first_of_turn || (answered.begins_answer && was_read_again);
}

// nginx has two timers that together make it look as if somebody else had asked: one sends a delayed request on, the other
// one a farewell or a delayed answer. (Over HTTP/2 the answers of many streams are one turn: that rule would leave nothing.)
bool Witnesses::may_agree_by_timers(std::string_view proxy, const ResponseWitness& answered, std::uint32_t pid) const {
  const bool may_have_waited = !answered.first_of_turn || delays_.contains(pid);
  return proxy == "nginx" && may_have_waited && !may_speak_http2(*connections_.find(answered.id));
}

const ResponseWitness* Witnesses::client_answered(const UpstreamTurn& turn, std::uint32_t pid, std::size_t& clients) const {
  const ResponseWitness* answered = nullptr;
  clients = 0;
  for (const ResponseWitness& witness : turn.response_witnesses) {
    if (!witness.valid || !ingress(witness.id, pid)) continue;
    answered = &witness;
    ++clients;
  }
  return answered;
}

// Believed once the process has proved to mean what it says, or where the sockets say the same by themselves.
WitnessAnswer Witnesses::by_tie(const StreamTie& tie, bool sockets_agree, std::uint32_t pid, bool is_final) const {
  using Kind = WitnessAnswer::Kind;
  const Connection* client = ties_.client(tie, pid);
  const bool may_be_followed = tie.position || (client && client->first_bytes == FirstBytes::kTls);
  if (!client || !may_be_followed) return {};
  if (ties_.is_trusted(pid) || (sockets_agree && !ties_.is_broken(pid))) return {Kind::kExact, tie.ingress, tie.position.value_or(0), "symbol"};
  return {is_final ? Kind::kInconclusive : Kind::kPending, 0, 0, "none"};
}

WitnessAnswer Witnesses::answer(const Connection& upstream, const UpstreamTurn& turn, bool is_final) {
  const std::uint32_t pid = upstream.owner_pid;
  const std::string proxy = processes_.find(pid)->known_proxy;
  const Asked asked = who_asked(turn, pid);
  const WitnessAnswer by_sockets = answer_of_sockets(upstream, turn, asked, is_final);
  if (proxy == "nginx") note_need(asked, by_sockets, pid, turn.time_ns);
  if (!turn.tie) return by_sockets;
  const WitnessAnswer tied = by_tie(*turn.tie, asked.agree && turn.tie->ingress == asked.answered->id, pid, is_final);
  if (tied.kind == WitnessAnswer::Kind::kExact || !does_one_thing_at_a_time(proxy)) return tied;
  const bool contradicts = by_sockets.kind == WitnessAnswer::Kind::kExact && turn.tie->ingress != by_sockets.ingress;
  return contradicts && ties_.client(*turn.tie, pid) ? tied : by_sockets;
}

// Whether adjacent calls are a proof is not known where HTTP/2 clients may withhold, and where they left it open.
void Witnesses::note_need(const Asked& asked, const WitnessAnswer& by_sockets, std::uint32_t pid, std::uint64_t time_ns) {
  const bool by_http2 = (asked.client && may_speak_http2(*asked.client)) ||
                        (asked.answered && may_speak_http2(*connections_.find(asked.answered->id)));
  if (by_http2 || by_sockets.kind == WitnessAnswer::Kind::kInconclusive) needs_[pid] = std::max(needs_[pid], time_ns);
}

Witnesses::Asked Witnesses::who_asked(const UpstreamTurn& turn, std::uint32_t pid) {
  Asked asked;
  asked.client = ingress(turn.request_witness.id, pid);
  asked.answered = client_answered(turn, pid, asked.clients);
  asked.agree = asked.clients == 1 && asked.client && asked.client->opened.id == asked.answered->id;
  if (asked.clients == 1 && asked.client && !asked.agree) delays_.insert(pid);
  return asked;
}

WitnessAnswer Witnesses::answer_of_sockets(const Connection& upstream, const UpstreamTurn& turn, const Asked& asked, bool is_final) const {
  using Kind = WitnessAnswer::Kind;
  const std::uint32_t pid = upstream.owner_pid;
  const std::string proxy = processes_.find(pid)->known_proxy;
  const auto& [client, answered, clients, agree] = asked;
  if (hands_to_other_threads(proxy)) return {};
  if (clients == 0) return {is_final ? Kind::kInconclusive : Kind::kPending, 0, 0, "none"};
  const bool one_at_a_time = does_one_thing_at_a_time(proxy);
  // Others may have agreed by chance: they must have had one thing alone to do, from the question to the answer.
  if (agree && !may_agree_by_timers(proxy, *answered, pid) && (one_at_a_time || turn.is_lone)) {
    const Kind kind = one_at_a_time ? Kind::kExact : Kind::kExactIfOnly;
    return {kind, answered->id, turn.request_witness.position, "request+response"};
  }
  // A run-to-completion loop answers the client in the very callback that read the upstream's response, whoever was
  // read from when the request went out (delays, subrequests). But its timers send too, after any receive: a farewell, a
  // delayed or failed answer to somebody else. So the whole response is waited for, in which the true client shows too.
  if (proxy != "nginx" || turn.response_witnesses.size() > 1) return {};
  const bool other = other_may_be_answered(upstream, turn, answered->id);
  if (agree && answered->begins_answer && !other && !other_has_asked(turn, answered->id, pid)) {
    return {Kind::kExact, answered->id, turn.request_witness.position, "request+response"};
  }
  const bool over = is_over(upstream, turn);
  if (!over && !is_final) return {Kind::kPending, 0, 0, "none"};
  if (other || (!over && !is_answer(*answered))) return {};
  return {Kind::kExact, answered->id, answered->position, "response"};
}

}  // namespace mtlswatch
