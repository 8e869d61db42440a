// SPDX-License-Identifier: Apache-2.0
#include "userspace/correlate/provenance_tracer.h"

#include <algorithm>

namespace mtlswatch {
namespace {

bool carried_requests_before(const Connection& connection, std::uint64_t sent_ns) {
  const bool began = connection.first_request_ns != 0 && connection.first_request_ns <= sent_ns;
  // What a process does with TLS that no probe sees is not known: requests may have come on any such connection.
  const SessionState state = connection.session.state;
  const bool is_opaque = (!connection.first_bytes || *connection.first_bytes == FirstBytes::kTls) &&
                         state != SessionState::kEstablished && state != SessionState::kFailed;
  const bool may_have_begun = connection.opened.predates_agent || connection.touched_by_loss || is_opaque;
  // A client that resets its connection does not take back what its proxy keeps in a queue. (After TLS the last thing
  // received is usually a farewell: there the end of the stream, read by the proxy, closes the matter.)
  const bool was_told_farewell = connection.ended_ns != 0 && connection.first_bytes == FirstBytes::kTls;
  const bool left_its_request = connection.unanswered_ns != 0 && !was_told_farewell;
  const bool open = connection.closed_ns == 0 || connection.closed_ns >= sent_ns;
  return (began || may_have_begun) && (open || left_its_request);
}

// The sending of what was received at this position. Unix positions of connections that are older than the agent count
// from the first observed byte of each end. They mean the same byte only if the receiver's count began before the sender
// sent anything; and then a count that is ahead by a request in flight would name a sending that is later than the
// response.
UpstreamTurn* joined_turn(Connection& upstream, const ProvenanceTracer::Received& received) {
  UpstreamTurn* turn = upstream.turn_at(received.position);
  const Connection& accepted = *received.accepted;
  if (!turn || (!upstream.counts_late() && !accepted.counts_late())) return turn;
  const std::uint64_t counts_from_ns = accepted.counts_late() ? accepted.opened.time_ns : 0;
  const bool receiver_counts_first = upstream.first_turn_ns > counts_from_ns;
  return receiver_counts_first && turn->time_ns < received.response_ns ? turn : nullptr;
}

}  // namespace

Provenance ProvenanceTracer::trace(const Received& request, bool is_final, bool& is_settled) {
  Provenance way;
  way.peer = request.accepted->opened.remote;
  way.backend_connection_predates = request.accepted->opened.predates_agent;
  is_settled = true;
  Received step = request;
  for (int hop = 0; hop < kMostHops && step.accepted; ++hop) step = follow(step, way, is_final, is_settled);
  std::reverse(way.hops.begin(), way.hops.end());
  return way;
}

ProvenanceTracer::Received ProvenanceTracer::follow(const Received& step, Provenance& way, bool is_final, bool& is_settled) {
  const bool at_backend = way.hops.empty() && !way.peer_process;
  Connection* upstream = connections_.other_end(*step.accepted, step.position);
  if (!upstream) {
    if (!at_backend) return {};
    way.peer_kind = step.accepted->opened.is_unix ? PeerKind::kProcess : PeerKind::kRemote;
    if (step.accepted->opened.is_unix) {
      way.peer_process = processes_.find(step.accepted->opened.peer_pid);
      way.upstream_predates = step.accepted->opened.predates_agent;
      is_settled = is_final || !way.peer_process->front;  // its first send tells of its end, maybe a moment later
    }
    return {};
  }
  const ProcessFacts peer = processes_.find(upstream->owner_pid);
  if (at_backend) {
    way.peer_kind = PeerKind::kProcess;
    way.peer_process = peer;
    if (way.peer_process->name.empty()) way.peer_process->name = upstream->opened.process_name;
  }
  UpstreamTurn* turn = joined_turn(*upstream, step);
  if (!turn) {
    way.upstream_predates |= at_backend && (upstream->opened.predates_agent || step.accepted->opened.predates_agent);
    is_settled = is_final || !peer.front;
    return {};
  }
  way.upstream_seen |= at_backend;
  const WitnessAnswer answer = witnesses_.answer(*upstream, *turn, is_final || !peer.front);
  if (answer.kind == WitnessAnswer::Kind::kPending) {
    is_settled = false;
    return {};
  }
  if (answer.kind == WitnessAnswer::Kind::kExact) {
    if (at_backend) way.attribution = {answer.method, Confidence::kExact, 1};
    return enter(*connections_.find(answer.ingress), answer.ingress_position, answer.method, way);
  }
  add_candidates(*upstream, turn->time_ns, way);
  return {};
}

ProvenanceTracer::Received ProvenanceTracer::enter(const Connection& ingress, std::uint64_t position, const char* evidence,
                                               Provenance& way) {
  Hop hop;
  hop.process = processes_.find(ingress.owner_pid);
  hop.source = ingress.opened.remote;
  hop.destination = ingress.opened.local;
  hop.session = ingress.session;
  hop.tls = ingress.session.state != SessionState::kNone || ingress.first_bytes == FirstBytes::kTls;
  hop.evidence = evidence;
  way.hops.push_back(std::move(hop));
  way.origins.assign(1, origin_of(ingress, position));
  const bool takes_plaintext = ingress.first_bytes == FirstBytes::kHttp1 || ingress.first_bytes == FirstBytes::kHttp2;
  const auto& peer = way.origins.front().peer_process;
  return takes_plaintext && peer && peer->front ? Received{&ingress, position, 0} : Received{};
}

void ProvenanceTracer::add_candidates(const Connection& upstream, std::uint64_t sent_ns, Provenance& way) {
  way.origins.clear();
  for (const ConnectionId id : connections_.ingress_of(upstream.owner_pid)) {
    const Connection* ingress = connections_.find(id);
    if (ingress && carried_requests_before(*ingress, sent_ns)) way.origins.push_back(origin_of(*ingress, ingress->receive_turn_position));
  }
  if (connections_.forgot_ingress_of(upstream.owner_pid)) {
    way.origins.emplace_back().predates_agent = true;  // stands for those that are not known any more
  }
  std::sort(way.origins.begin(), way.origins.end(), [](const Origin& a, const Origin& b) { return a.id < b.id; });
  const auto count = static_cast<std::uint32_t>(way.origins.size());
  way.attribution = {"candidates", count == 0 ? Confidence::kNone : Confidence::kOneOf, count};
  Hop hop;
  hop.process = processes_.find(upstream.owner_pid);
  hop.evidence = "candidates";
  way.hops.push_back(std::move(hop));
}

Origin ProvenanceTracer::origin_of(const Connection& ingress, std::uint64_t position) {
  Origin origin;
  origin.id = ingress.opened.id;
  origin.source = ingress.opened.remote;
  origin.destination = ingress.opened.local;
  origin.process = processes_.find(ingress.owner_pid);
  origin.session = ingress.session;
  origin.first_bytes = ingress.first_bytes;
  origin.predates_agent = ingress.opened.predates_agent;
  origin.touched_by_loss = ingress.touched_by_loss;
  origin.identity_may_have_changed = processes_.authenticates_late(ingress.owner_pid);
  const Connection* peer = connections_.other_end(ingress, position);
  if (peer) origin.peer_process = processes_.find(peer->owner_pid);
  return origin;
}

}  // namespace mtlswatch
