// SPDX-License-Identifier: Apache-2.0
#include "userspace/correlate/witnesses.h"

#include <algorithm>

namespace mtlswatch {
namespace {

constexpr std::size_t kMostResponseWitnesses = 8;

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
  if (connection.first_turn_ns == 0) connection.first_turn_ns = turn.time_ns;
  connection.turns.push_back({turn.turn, turn.position, turn.time_ns, turn.witness, {}, false});
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
  witnesses.push_back({connection.opened.id, connection.receive_turn_position, !turn.resumed, turn.first_of_turn});
  return {upstream->opened.id, answered->turn};
}

const Connection* Witnesses::ingress(ConnectionId id, std::uint32_t pid) const {
  const Connection* connection = id == 0 ? nullptr : connections_.find(id);
  const bool fits = connection && connection->role == Role::kIngress && connection->owner_pid == pid;
  return fits ? connection : nullptr;
}

// One thread reads the request, another one sends it on, and both have read other things before.
bool Witnesses::hands_to_other_threads(std::uint32_t pid) const { return processes_.find(pid).known_proxy == "varnish"; }

bool Witnesses::is_run_to_completion(std::uint32_t pid) const { return processes_.find(pid).known_proxy == "nginx"; }

bool Witnesses::other_may_be_answered(const Connection& upstream, const UpstreamTurn& turn, ConnectionId except) const {
  const bool over = is_over(upstream, turn);
  const auto& all = connections_.ingress_of(upstream.owner_pid);
  return std::any_of(all.begin(), all.end(), [&](ConnectionId id) {
    const Connection* other = connections_.find(id);
    if (!other || id == except || (other->closed_ns != 0 && other->closed_ns < turn.time_ns)) return false;
    const bool withholds_reads = other->blocked || other->last_blocked_ns >= turn.time_ns;
    const bool still_waits = other->unanswered_ns != 0 && other->unanswered_ns <= turn.time_ns;
    return withholds_reads || (!over && still_waits);
  });
}

bool Witnesses::is_over(const Connection& upstream, const UpstreamTurn& turn) {
  return upstream.turns.back().turn != turn.turn || upstream.closed_ns != 0 || upstream.ended_ns != 0;
}

void Witnesses::compare(UpstreamTurn& turn, Trust& trust, bool agree) {
  if (turn.compared) return;
  turn.compared = true;
  ++(agree ? trust.agreements : trust.disagreements);
}

WitnessAnswer Witnesses::answer(const Connection& upstream, UpstreamTurn& turn, bool is_final) {
  using Kind = WitnessAnswer::Kind;
  const std::uint32_t pid = upstream.owner_pid;
  const Connection* asked = ingress(turn.request_witness.id, pid);
  const ResponseWitness* answered = nullptr;
  std::size_t responses = 0;
  for (const ResponseWitness& witness : turn.response_witnesses) {
    if (!witness.valid || !ingress(witness.id, pid)) continue;
    answered = &witness;
    ++responses;
  }
  if (responses == 0) return {is_final ? Kind::kInconclusive : Kind::kPending, 0, 0, "none"};
  if (responses > 1 || hands_to_other_threads(pid)) return {};
  Trust& trust = trust_[pid];
  const bool run_to_completion = is_run_to_completion(pid);
  const bool agree = asked && asked->opened.id == answered->id;
  compare(turn, trust, agree);
  if (agree) {
    const bool trusted = run_to_completion || trust.disagreements == 0;
    if (!trusted) return {};
    return {Kind::kExact, answered->id, turn.request_witness.position, "request+response"};
  }
  // A run-to-completion loop answers the client in the very callback that read the upstream's response, whoever was
  // read from when the request went out (delays, subrequests). But its timers send too, after any receive: a farewell, a
  // delayed or failed answer to somebody else. So the whole response is waited for, in which the true client shows too.
  if (!run_to_completion || turn.response_witnesses.size() > 1) return {};
  const bool over = is_over(upstream, turn);
  if (!over && !is_final) return {Kind::kPending, 0, 0, "none"};
  if (!over && !answered->begins_answer) return {};
  if (other_may_be_answered(upstream, turn, answered->id)) return {};
  return {Kind::kExact, answered->id, answered->position, "response"};
}

}  // namespace mtlswatch
