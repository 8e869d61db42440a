// SPDX-License-Identifier: Apache-2.0
#include "userspace/correlate/provenance_tracer.h"

#include <algorithm>
#include <iterator>

namespace mtlswatch {
namespace {

constexpr int kMostDepth = 2;

// TLS, or nothing that could be told from it.
bool is_unread(const std::optional<FirstBytes>& first) {
  return !first || *first == FirstBytes::kTls || *first == FirstBytes::kProxyProtocol;
}

bool is_plaintext(const Connection& connection) {
  return connection.first_bytes == FirstBytes::kHttp1 || connection.first_bytes == FirstBytes::kHttp2;
}

bool carried_requests_before(const Connection& connection, const ProvenanceTracer::Sending& sending) {
  const bool began = connection.first_request_ns != 0 && connection.first_request_ns <= sending.until_ns;
  // What a process does with TLS that no probe sees is not known: requests may have come on any such connection, also when
  // it has closed since and its handshake was given up as not observed.
  const Session& session = connection.session;
  const bool was_observed = session.state == SessionState::kEstablished ||
                            (session.state == SessionState::kFailed && session.tls_accepted.has_value());
  const bool is_opaque = !connection.is_relayed && is_unread(connection.first_bytes) && !was_observed;
  const bool may_have_begun = connection.opened.predates_agent || connection.touched_by_loss || is_opaque;
  // A client that resets its connection does not take back what its proxy keeps in a queue. (After TLS the last thing
  // received is usually a farewell: there the end of the stream, read by the proxy, closes the matter.)
  const bool was_told_farewell = connection.ended_ns != 0 && connection.first_bytes == FirstBytes::kTls;
  const bool left_its_request = connection.unanswered_ns != 0 && !was_told_farewell && connection.ending != Ending::kLocal;
  const bool open = connection.closed_ns == 0 || connection.closed_ns >= sending.from_ns;
  return (began || may_have_begun) && (open || left_its_request);
}

// The sending of what was received at this position. Unix positions of connections that are older than the agent count
// from the first observed byte of each end. They mean the same byte only if the receiver's count began before the sender
// sent anything; and then a count that is ahead by a request in flight would name a sending that is later than the
// response.
UpstreamTurn* joined_turn(Connection& upstream, const ProvenanceTracer::Received& received) {
  const Connection& accepted = *received.accepted;
  UpstreamTurn* turn = upstream.turn_at(received.position);
  // The client of TLS goes on without a turn of its own behind its Finished; the server has sent tickets in between.
  if (!turn && accepted.first_bytes == FirstBytes::kTls && !accepted.opened.is_unix) turn = upstream.turn_over(received.position);
  if (!turn || (!upstream.counts_late() && !accepted.counts_late())) return turn;
  const std::uint64_t counts_from_ns = accepted.counts_late() ? accepted.opened.time_ns : 0;
  const bool receiver_counts_first = upstream.first_turn_ns > counts_from_ns;
  return receiver_counts_first && turn->time_ns < received.response_ns ? turn : nullptr;
}

// Whether evidence of what this process handed on may come, or be hidden in it.
bool may_relay(const ProcessFacts& process) { return process.front || !process.listeners.empty(); }

SharedProcess named(ProcessFacts process, const std::string& name) {
  process.name = name;
  return std::make_shared<const ProcessFacts>(std::move(process));
}

}  // namespace

Provenance ProvenanceTracer::trace(const Received& request, bool is_final, bool& is_settled) {
  Provenance way;
  way.peer = request.accepted->opened.remote;
  way.backend_connection_predates = request.accepted->opened.predates_agent;
  way.backend_connection_lossy = request.accepted->touched_by_loss || request.accepted->follows_loss;
  if (request.accepted->first_bytes == FirstBytes::kTls) way.own_tls = origin_of(*request.accepted, request.position);
  is_final_ = is_final;
  is_settled_ = true;
  walk(request, way);
  std::reverse(way.hops.begin(), way.hops.end());
  is_settled = is_settled_;
  return way;
}

void ProvenanceTracer::walk(Received step, Provenance& way) {
  for (int hop = 0; hop < kMostHops && step.accepted; ++hop) step = follow(step, way);
}

ProvenanceTracer::Received ProvenanceTracer::follow(const Received& step, Provenance& way) {
  Connection* upstream = connections_.other_end(*step.accepted, step.position);
  if (step.by_backend) meet_peer(*step.accepted, upstream, way);
  if (!upstream) return {};
  if (const Connection* relay = step.by_backend && way.own_tls ? relay_of(*step.accepted) : nullptr) {
    way.upstream_seen = true;
    way.attribution = {"client hello", Confidence::kExact, 1};
    way.origins = {*way.own_tls};
    return pass_relay(*relay, way);
  }
  const SharedProcess peer = processes_.find(upstream->owner_pid);
  if (step.by_backend || is_plaintext(*step.accepted)) return leave(step, *upstream, *peer, way);
  if (const Connection* relay = relay_of(*step.accepted)) return pass_relay(*relay, way);
  // Who is no front speaks for itself. A front that opened this session speaks for whoever asked it.
  return peer->front && upstream->dials_tls ? leave(step, *upstream, *peer, way) : Received{};
}

// The process at the other end of the backend's connection.
void ProvenanceTracer::meet_peer(const Connection& accepted, const Connection* upstream, Provenance& way) {
  const bool is_process = upstream || accepted.opened.is_unix;
  way.peer_kind = is_process ? PeerKind::kProcess : connections_.may_be_translated(accepted) ? PeerKind::kTranslated : PeerKind::kRemote;
  if (upstream) {
    way.peer_process = processes_.find(upstream->owner_pid);
    if (way.peer_process->name.empty()) way.peer_process = named(*way.peer_process, upstream->opened.process_name);
  } else if (accepted.opened.is_unix) {
    way.peer_process = processes_.find(accepted.opened.peer_pid);
    way.upstream_predates = accepted.opened.predates_agent;
    wait_unless(!way.peer_process->front);  // its first send tells of its end, maybe a moment later
  }
}

// From what the peer sent to what made it send.
ProvenanceTracer::Received ProvenanceTracer::leave(const Received& step, Connection& upstream, const ProcessFacts& peer,
                                                   Provenance& way) {
  UpstreamTurn* turn = joined_turn(upstream, step);
  if (!turn) {
    way.upstream_predates |= step.by_backend && (upstream.opened.predates_agent || step.accepted->opened.predates_agent);
    wait_unless(!peer.front);
    return {};
  }
  way.upstream_seen |= step.by_backend;
  const WitnessAnswer answer = witnesses_.answer(upstream, *turn, is_final_ || !may_relay(peer));
  if (answer.kind == WitnessAnswer::Kind::kPending) wait_unless(false);
  if (answer.kind == WitnessAnswer::Kind::kPending) return {};
  const bool began_there = turn->position == step.position;  // else somewhere in the turn, at the latest when it was received
  const Sending sending{turn->time_ns, began_there ? turn->time_ns : std::max(turn->time_ns, step.accepted->receive_turn_ns)};
  // A process whose TLS cannot be seen into (Go's runtime, Envoy's workers) is not known well enough either to take
  // neighbouring socket calls of it for cause and effect.
  const bool is_exact = answer.kind == WitnessAnswer::Kind::kExact ||
                        (answer.kind == WitnessAnswer::Kind::kExactIfOnly && is_only_candidate(answer.ingress, upstream, sending));
  bool is_conclusive = is_exact && peer.tls_coverage != "blind";
  if (const auto client = by_content(step, upstream, *turn, sending)) {
    if (!is_conclusive) {
      way.attribution = {"content", Confidence::kExact, 1};
      return enter(*connections_.find(client->id), client->position, "content", way);
    }
    is_conclusive = client->id == answer.ingress;
    if (!is_conclusive) witnesses_.content().contradict(peer.pid);
  }
  way.may_be_proxys_own |= !is_conclusive && peer.known_proxy == "haproxy" && !turn->tie;
  if (!is_conclusive) return choose(step, upstream, sending, way);
  if (step.by_backend) way.attribution = {answer.method, Confidence::kExact, 1};
  if (!step.by_backend) way.through_stranger |= !peer.front;
  return enter(*connections_.find(answer.ingress), answer.ingress_position, answer.method, way);
}

// Only what a front sends to a backend is compared: elsewhere nobody has read the head that was sent.
std::optional<ContentWitness::Client> ProvenanceTracer::by_content(const Received& step, const Connection& upstream, UpstreamTurn& turn,
                                                                   const Sending& sending) {
  if (!step.by_backend || !step.head) return std::nullopt;
  const std::uint32_t pid = upstream.owner_pid;
  const auto may_have_asked = [&](const Connection& other) { return carried_requests_before(other, sending); };
  const auto client = witnesses_.content().client_of({*step.head, pid, sending.until_ns}, may_have_asked);
  if (!client) return std::nullopt;
  witnesses_.content().compare(turn, client->id, pid);
  return witnesses_.content().is_trusted(pid) ? client : std::nullopt;
}

// No witness tells: everybody who may have asked.
ProvenanceTracer::Received ProvenanceTracer::choose(const Received& step, const Connection& upstream, const Sending& sending,
                                                    Provenance& way) {
  const SharedProcess peer = processes_.find(upstream.owner_pid);
  std::vector<Origin> origins = candidates(upstream, sending);
  if (!peer->front) {
    if (origins.empty()) wait_unless(!may_relay(*peer));
    const bool hides_its_clients = origins.empty() && peer->known_proxy == "relay";
    way.through_stranger |= hides_its_clients || (!step.by_backend && !origins.empty());
    if (origins.empty() && !step.by_backend && !hides_its_clients) return {};  // a client of its own
  }
  way.origins = std::move(origins);
  const auto count = static_cast<std::uint32_t>(way.origins.size());
  if (step.by_backend && peer->front && count > 1) witnesses_.content().need(peer->pid, sending.from_ns);
  way.attribution = {"candidates", count == 0 ? Confidence::kNone : Confidence::kOneOf, count};
  Hop hop;
  hop.process = peer;
  hop.evidence = "candidates";
  way.hops.push_back(std::move(hop));
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
  return {&ingress, position, 0, false};
}

// The session stays the origin's; the client is the one that the relay accepted.
ProvenanceTracer::Received ProvenanceTracer::pass_relay(const Connection& relay, Provenance& way) {
  Hop hop;
  hop.process = processes_.find(relay.owner_pid);
  hop.source = relay.opened.remote;
  hop.destination = relay.opened.local;
  hop.evidence = "client hello";
  way.hops.push_back(std::move(hop));
  Origin& origin = way.origins.front();
  origin.source = relay.opened.remote;
  origin.destination = relay.opened.local;
  origin.may_be_a_fronts_own = may_be_a_fronts_own(relay);
  return {&relay, relay.receive_turn_position, 0, false};
}

// Nobody else's request can be inside that process.
bool ProvenanceTracer::is_only_candidate(ConnectionId ingress, const Connection& upstream, const Sending& sending) const {
  const std::uint32_t pid = upstream.owner_pid;
  const auto is_no_other = [&](ConnectionId id) {
    const Connection* other = connections_.find(id);
    return id == ingress || id == upstream.opened.id || !other || !carried_requests_before(*other, sending);
  };
  const auto& asking = connections_.ingress_of(pid);
  const auto& undecided = connections_.undecided_of(pid);
  return !connections_.forgot_ingress_of(pid) && std::all_of(asking.begin(), asking.end(), is_no_other) &&
         std::all_of(undecided.begin(), undecided.end(), is_no_other);
}

std::vector<Origin> ProvenanceTracer::candidates(const Connection& upstream, const Sending& sending) {
  std::vector<Origin> origins;
  for (const ConnectionId id : connections_.ingress_of(upstream.owner_pid)) {
    const Connection* ingress = connections_.find(id);
    if (ingress && carried_requests_before(*ingress, sending)) add_origins_behind(*ingress, sending, origins);
  }
  if (connections_.forgot_ingress_of(upstream.owner_pid)) {
    origins.emplace_back().predates_agent = true;  // stands for those that are not known any more
  }
  std::sort(origins.begin(), origins.end(), [](const Origin& a, const Origin& b) { return a.id < b.id; });
  const auto same = [](const Origin& a, const Origin& b) { return a.id == b.id; };
  origins.erase(std::unique(origins.begin(), origins.end(), same), origins.end());
  return origins;
}

// A candidate that is itself behind a front stands for that one's client, if it has not sent anything newer since.
void ProvenanceTracer::add_origins_behind(const Connection& ingress, const Sending& sending, std::vector<Origin>& origins) {
  Origin own = origin_of(ingress, ingress.receive_turn_position);
  const bool behind_front = is_plaintext(ingress) && own.peer_process && own.peer_process->front;
  if (behind_front && ingress.receive_turn_ns <= sending.from_ns && depth_ < kMostDepth) {
    Provenance way;
    ++depth_;
    walk({&ingress, ingress.receive_turn_position, 0, false}, way);
    --depth_;
    if (!way.origins.empty() && !way.through_stranger) {
      return void(std::move(way.origins.begin(), way.origins.end(), std::back_inserter(origins)));
    }
  }
  origins.push_back(std::move(own));
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
  origin.may_be_a_fronts_own = !is_plaintext(ingress) && may_be_a_fronts_own(ingress);
  const Connection* peer = connections_.other_end(ingress, position);
  if (peer) origin.peer_process = processes_.find(peer->owner_pid);
  if (!peer && ingress.opened.is_unix) origin.peer_process = processes_.find(ingress.opened.peer_pid);
  return origin;
}

const Connection* ProvenanceTracer::relay_of(const Connection& accepted) {
  return connections_.relay_of(*connections_.find(accepted.opened.id));
}

bool ProvenanceTracer::may_be_a_fronts_own(const Connection& ingress) {
  const Connection* peer = connections_.other_end(ingress, ingress.receive_turn_position);
  if (!peer || !processes_.find(peer->owner_pid)->front) return false;
  return !relay_of(ingress);
}

}  // namespace mtlswatch
