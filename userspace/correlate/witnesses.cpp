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
  witnesses.push_back({connection.opened.id, connection.receive_turn_position, !turn.resumed});
  return {upstream->opened.id, answered->turn};
}

const Connection* Witnesses::ingress(ConnectionId id, std::uint32_t pid) const {
  const Connection* connection = id == 0 ? nullptr : connections_.find(id);
  const bool fits = connection && connection->role == Role::kIngress && connection->owner_pid == pid;
  return fits ? connection : nullptr;
}

bool Witnesses::is_run_to_completion(std::uint32_t pid) const { return processes_.find(pid).known_proxy == "nginx"; }

bool Witnesses::other_ingress_blocked(std::uint32_t pid, ConnectionId except) const {
  const auto& all = connections_.ingress_of(pid);
  return std::any_of(all.begin(), all.end(), [&](ConnectionId id) {
    const Connection* connection = connections_.find(id);
    return id != except && connection && connection->blocked && connection->closed_ns == 0;
  });
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
  const Connection* answered = nullptr;
  std::uint64_t answered_position = 0;
  std::size_t responses = 0;
  for (const ResponseWitness& witness : turn.response_witnesses) {
    const Connection* connection = witness.valid ? ingress(witness.id, pid) : nullptr;
    if (!connection) continue;
    answered = connection;
    answered_position = witness.position;
    ++responses;
  }
  if (responses == 0) return {is_final ? Kind::kInconclusive : Kind::kPending, 0, 0, "none"};
  if (responses > 1) return {};
  Trust& trust = trust_[pid];
  const bool run_to_completion = is_run_to_completion(pid);
  compare(turn, trust, asked == answered);
  if (asked == answered) {
    const bool trusted = run_to_completion || trust.disagreements == 0;
    if (!trusted) return {};
    return {Kind::kExact, answered->opened.id, turn.request_witness.position, "request+response"};
  }
  // A run-to-completion loop answers the client in the very callback that read the upstream's response, whoever was
  // read from when the request went out (delays, subrequests). Only a client that withholds reads escapes that.
  if (run_to_completion && !other_ingress_blocked(pid, answered->opened.id)) {
    return {Kind::kExact, answered->opened.id, answered_position, "response"};
  }
  return {};
}

}  // namespace mtlswatch
