// SPDX-License-Identifier: Apache-2.0
#include "userspace/correlate/exchange_tracker.h"

#include <algorithm>
#include <utility>

namespace mtlswatch {
namespace {

bool listens_at(const ProcessFacts& process, const Endpoint& server) {
  return std::any_of(process.listeners.begin(), process.listeners.end(), [&](const Endpoint& listener) {
    return listener.path == server.path && listener.port == server.port;
  });
}

/// Whether the peer is the backend's own front part, uwsgi's http router: a sibling of the worker that listens, but not
/// where the worker was reached. (A worker that asks its own backend, SSRF for one, listens there itself.)
bool is_own_router(const ProcessFacts& peer, const ProcessFacts& worker, const Endpoint& server) {
  const bool siblings = !worker.backend.empty() && peer.backend == worker.backend && peer.pid != worker.pid &&
                        peer.parent_pid == worker.parent_pid && peer.executable == worker.executable;
  return siblings && !peer.listeners.empty() && !listens_at(peer, server) && listens_at(worker, server);
}

/// Whether its response may be among what was not seen: records were lost since it came, or nothing of it was read; then it
/// may stand for several.
bool may_have_been_answered(const SettledExchange& facts) {
  const bool was_missed = facts.request.head.state == HeadState::kCut && facts.request.head.method.empty();
  return facts.response_ns == 0 && (facts.touched_by_loss || was_missed);
}

}  // namespace

void ExchangeTracker::on_request(RequestSeen event, bool was_under_way, bool begins_turn, std::vector<SettledExchange>& settled) {
  Exchange exchange;
  exchange.facts.touched_by_loss = was_under_way || may_miss_response(event.id);
  if (exchange.facts.touched_by_loss && begins_turn) give_up_unanswered(event.id, event.time_ns, settled);
  exchange.facts.process = processes_.find(event.actor.pid);
  exchange.deadline_ns = event.time_ns + kWithoutResponseNs;
  const ConnectionId id = event.id;
  exchange.facts.request = std::move(event);
  enter(id, std::move(exchange), settled);
}

// Whose response the next one is, is not known then: it may have been among what was lost, or not have been sent yet.
bool ExchangeTracker::may_miss_response(ConnectionId id) const {
  const auto queue = queues_.find(id);
  return queue != queues_.end() && std::any_of(queue->second.begin(), queue->second.end(), [](const Exchange& exchange) {
    return may_have_been_answered(exchange.facts);
  });
}

// What was asked before records were lost is not waited for once something newer is asked: else each response would be taken
// for that of the request before, for as long as the connection lives.
void ExchangeTracker::give_up_unanswered(ConnectionId id, std::uint64_t now_ns, std::vector<SettledExchange>& settled) {
  const auto queue = queues_.find(id);
  if (queue == queues_.end()) return;
  for (Exchange& exchange : queue->second) {
    if (!may_have_been_answered(exchange.facts)) continue;
    if (!exchange.settled) try_settle(id, exchange, true, settled);
    exchange.facts.response_ns = now_ns;
  }
  drop_settled(queue->second);
  if (queue->second.empty()) queues_.erase(queue);
}

void ExchangeTracker::on_response(const ResponseSeen& event, std::vector<SettledExchange>& settled) {
  Queue& queue = queues_[event.id];
  const auto waiting =
      std::find_if(queue.begin(), queue.end(), [](const Exchange& exchange) { return exchange.facts.response_ns == 0; });
  if (waiting == queue.end()) {
    if (queue.empty()) queues_.erase(event.id);
    if (event.encrypted) return;  // a handshake's
    if (!event.first_of_turn) return;  // a later part of a body that looks like a status line
    Exchange unseen;
    unseen.facts.request_seen = false;
    unseen.facts.request.time_ns = event.time_ns;
    unseen.facts.request.actor = event.actor;
    unseen.facts.request.id = event.id;
    unseen.facts.process = processes_.find(event.actor.pid);
    unseen.facts.status = event.status;
    unseen.facts.response_ns = event.time_ns;
    unseen.deadline_ns = event.time_ns;
    enter(event.id, std::move(unseen), settled);
    return;
  }
  waiting->facts.status = event.status;
  waiting->facts.response_ns = event.time_ns;
  waiting->deadline_ns = std::min(waiting->deadline_ns, event.time_ns + kAfterResponseNs);
  const bool may_be_an_alert = event.status == 0 && !event.encrypted;  // sent before its handshake is told to have failed
  if (!waiting->settled && !may_be_an_alert) try_settle(event.id, *waiting, false, settled);
  drop_settled(queue);
  if (queue.empty()) queues_.erase(event.id);
}

void ExchangeTracker::forget_plaintext(ConnectionId backend_connection) {
  const auto entry = queues_.find(backend_connection);
  if (entry == queues_.end()) return;
  size_ -= std::erase_if(entry->second, [](const Exchange& one) { return one.facts.request.head.state != HeadState::kEncrypted; });
  if (entry->second.empty()) queues_.erase(entry);
}

void ExchangeTracker::retry(ConnectionId backend_connection, std::vector<SettledExchange>& settled) {
  const auto entry = queues_.find(backend_connection);
  if (entry == queues_.end()) return;
  for (Exchange& exchange : entry->second) {
    if (!exchange.settled && exchange.facts.response_ns != 0) try_settle(backend_connection, exchange, false, settled);
  }
  drop_settled(entry->second);
  if (entry->second.empty()) queues_.erase(entry);
}

void ExchangeTracker::retry_all(std::vector<SettledExchange>& settled) {
  std::vector<ConnectionId> under_way;
  for (const auto& [id, queue] : queues_) under_way.push_back(id);
  for (const ConnectionId id : under_way) retry(id, settled);
}

void ExchangeTracker::on_tick(std::uint64_t now_ns, std::vector<SettledExchange>& settled) {
  for (auto entry = queues_.begin(); entry != queues_.end();) {
    const Connection* connection = connections_.find(entry->first);
    const bool is_gone = !connection || connection->closed_ns != 0;
    for (Exchange& exchange : entry->second) {
      const bool is_final = now_ns >= exchange.deadline_ns;
      const bool is_due = is_final || (exchange.retry_ns != 0 && now_ns >= exchange.retry_ns);
      if (!exchange.settled && is_due) try_settle(entry->first, exchange, is_final, settled);
      // What was settled without a status waits for its late response, but not for ever.
      const bool is_stale = is_gone || now_ns > exchange.deadline_ns + 60 * kWithoutResponseNs;
      if (exchange.settled && is_stale) exchange.facts.response_ns = now_ns;
    }
    drop_settled(entry->second);
    entry = entry->second.empty() ? queues_.erase(entry) : std::next(entry);
  }
}

void ExchangeTracker::taint() {
  for (auto& [id, queue] : queues_) {
    for (Exchange& exchange : queue) exchange.facts.touched_by_loss = true;
  }
}

void ExchangeTracker::enter(ConnectionId id, Exchange exchange, std::vector<SettledExchange>& settled) {
  Queue& queue = queues_[id];
  queue.push_back(std::move(exchange));
  ++size_;
  Exchange& entered = queue.back();
  const bool is_over = !entered.facts.request_seen || size_ > capacity_;
  if (is_over) try_settle(id, entered, true, settled);
  if (!is_over) return;
  drop_settled(queue);
  if (queue.empty()) queues_.erase(id);
}

bool ExchangeTracker::try_settle(ConnectionId id, Exchange& exchange, bool is_final, std::vector<SettledExchange>& settled) {
  const Connection* connection = connections_.find(id);
  SettledExchange& facts = exchange.facts;
  if (connection) {
    bool is_settled = true;
    facts.server = connection->opened.local;
    facts.provenance = tracer_.trace({connection, facts.request.position, facts.response_ns, true, facts.request.head.print.get()}, is_final, is_settled);
    const auto& peer = facts.provenance.peer_process;
    const bool by_stranger = facts.provenance.peer_kind == PeerKind::kProcess && !(peer && peer->front);
    const bool may_be_a_front = by_stranger && facts.response_ns < discovery_due_ns_;
    exchange.retry_ns = may_be_a_front ? discovery_due_ns_ : 0;
    if ((!is_settled || may_be_a_front) && !is_final) return false;
  }
  exchange.settled = true;
  facts.request.head.print.reset();
  const auto& peer = facts.provenance.peer_process;
  // What the router read is the exchange; handing it to a worker is not another one.
  if (peer && is_own_router(*peer, *processes_.find(facts.request.actor.pid), facts.server)) return true;
  settled.push_back(std::move(facts));  // of what stays, only response_ns is looked at again
  return true;
}

void ExchangeTracker::drop_settled(Queue& queue) {
  size_ -= std::erase_if(queue, [](const Exchange& exchange) { return exchange.settled && exchange.facts.response_ns != 0; });
}

}  // namespace mtlswatch
