// SPDX-License-Identifier: Apache-2.0
#include "userspace/correlate/connections.h"

#include <algorithm>
#include <string_view>

namespace mtlswatch {
namespace {

// A port is used again: of two connections of one address, only those that lived at the same time can be two ends.
bool lived_together(const Connection& connected, const Connection& accepted) {
  const bool closed_before = connected.closed_ns != 0 && connected.closed_ns <= accepted.opened.time_ns;
  const bool opened_after = accepted.closed_ns != 0 && connected.opened.time_ns > accepted.closed_ns;
  return !closed_before && !opened_after;
}

}  // namespace

UpstreamTurn* Connection::find_turn(std::uint64_t turn) {
  const auto found = std::find_if(turns.rbegin(), turns.rend(), [turn](const auto& item) { return item.turn == turn; });
  return found == turns.rend() ? nullptr : &*found;
}

UpstreamTurn* Connection::turn_at(std::uint64_t position) {
  const auto found = std::find_if(turns.rbegin(), turns.rend(), [position](const UpstreamTurn& turn) {
    return turn.position == position;
  });
  return found == turns.rend() ? nullptr : &*found;
}

UpstreamTurn* Connection::turn_over(std::uint64_t position) {
  const auto found = std::find_if(turns.rbegin(), turns.rend(), [position](const UpstreamTurn& turn) {
    return static_cast<std::int32_t>(static_cast<std::uint32_t>(position) - static_cast<std::uint32_t>(turn.position)) >= 0;
  });
  return found == turns.rend() ? nullptr : &*found;
}

std::size_t Connections::EndpointHash::operator()(const Endpoint& endpoint) const {
  const std::string_view bytes(reinterpret_cast<const char*>(endpoint.ip.bytes.data()), endpoint.ip.bytes.size());
  return std::hash<std::string_view>()(bytes) ^ (std::size_t{endpoint.port} * 0x9e3779b97f4a7c15ull);
}

Connection& Connections::open(const ConnectionOpened& opened) {
  if (opened.is_unix) retire_older_use(opened);
  if (connections_.size() >= capacity_ && !connections_.contains(opened.id)) evict_idle();  // a flood is faster than the sweep
  const auto [entry, is_new] = connections_.try_emplace(opened.id);
  Connection& connection = entry->second;
  if (!is_new) unindex(connection);
  const bool predates = !is_new && connection.opened.predates_agent;
  connection.opened = opened;
  connection.opened.predates_agent |= predates;
  connection.role = opened.role;
  connection.last_ns = std::max(connection.last_ns, opened.time_ns);
  if (connection.owner_pid == 0) connection.owner_pid = opened.actor.pid;
  index(connection);
  return connection;
}

Connection* Connections::find(ConnectionId id) {
  const auto entry = connections_.find(id);
  return entry == connections_.end() ? nullptr : &entry->second;
}

const Connection* Connections::find(ConnectionId id) const {
  const auto entry = connections_.find(id);
  return entry == connections_.end() ? nullptr : &entry->second;
}

void Connections::touch(Connection& connection, const Actor& actor, std::uint64_t time_ns) {
  connection.last_ns = std::max(connection.last_ns, time_ns);
  if (connection.owner_pid == actor.pid) return;
  disown(connection);
  connection.owner_pid = actor.pid;
  if (OwnerIndex* index = owners(connection)) (*index)[actor.pid].insert(connection.opened.id);
}

void Connections::close(Connection& connection, std::uint64_t time_ns) {
  if (connection.closed_ns == 0) connection.closed_ns = time_ns;
}

// The kernel uses a socket's memory again: a new connection of the same identity proves that the older one is gone, and
// so is what that one was connected to, unless it is newer than its last use.
void Connections::retire_older_use(const ConnectionOpened& opened) {
  const auto entry = by_socket_.find(opened.socket);
  Connection* older = entry == by_socket_.end() || entry->second == opened.id ? nullptr : find(entry->second);
  if (!older) return;
  const std::uint64_t last_use_ns = older->last_ns;
  close(*older, opened.time_ns);
  const auto peer_entry = by_socket_.find(older->opened.peer_socket);
  Connection* peer = peer_entry == by_socket_.end() ? nullptr : find(peer_entry->second);
  if (peer && peer->opened.peer_socket == opened.socket && peer->opened.time_ns <= last_use_ns) close(*peer, opened.time_ns);
}

Connection* Connections::unix_other_end(const Connection& connection) {
  const auto entry = by_socket_.find(connection.opened.peer_socket);
  Connection* other = entry == by_socket_.end() ? nullptr : find(entry->second);
  if (!other || other->opened.peer_socket != connection.opened.socket) return nullptr;
  const bool is_accepted = connection.role == Role::kIngress;
  if (is_accepted == (other->role == Role::kIngress)) return nullptr;  // an older pair whose two places were swapped
  return lived_together(is_accepted ? *other : connection, is_accepted ? connection : *other) ? other : nullptr;
}

Connection* Connections::other_end(const Connection& accepted, std::uint64_t position) {
  if (accepted.opened.is_unix) return unix_other_end(accepted);
  Connection* translated = nullptr;
  const auto [first, last] = by_local_.equal_range(accepted.opened.remote);
  for (auto entry = first; entry != last; ++entry) {
    Connection* other = find(entry->second);
    if (!other || other->opened.id == accepted.opened.id || !lived_together(*other, accepted)) continue;
    const bool dialled_it = other->opened.remote == accepted.opened.local;
    const bool same_netns = other->opened.netns == accepted.opened.netns;
    const bool is_loopback = accepted.opened.remote.ip.is_loopback();
    if (dialled_it && (same_netns || !is_loopback)) return other;
    if (is_loopback || !other->turn_at(position)) continue;
    if (translated) return nullptr;
    translated = other;
  }
  return translated;
}

Connection* Connections::accepted_end(const Connection& connected) {
  if (connected.opened.is_unix) return unix_other_end(connected);
  const auto [first, last] = by_remote_.equal_range(connected.opened.local);
  Connection* translated = nullptr;
  for (auto entry = first; entry != last; ++entry) {
    Connection* other = find(entry->second);
    if (!other || !lived_together(connected, *other)) continue;
    if (other->opened.local == connected.opened.remote) return other;
    translated = other;
  }
  return translated;
}

void Connections::note_first_sent(Connection& connected, std::uint64_t position) {
  if (connected.opened.is_unix) return;
  connected.first_sent_position = position;
  by_first_sent_.emplace(position, connected.opened.id);
}

bool Connections::may_be_translated(const Connection& accepted) const {
  if (accepted.opened.is_unix || !accepted.first_received_position) return false;
  const auto [first, last] = by_first_sent_.equal_range(*accepted.first_received_position);
  return std::any_of(first, last, [&](const auto& entry) {
    const Connection* other = find(entry.second);
    return other && other->opened.id != accepted.opened.id && lived_together(*other, accepted);
  });
}

Connection* Connections::relay_of(Connection& accepted) {
  if (accepted.relayed_from != 0) return find(accepted.relayed_from);
  if (!accepted.session.client_hello) return nullptr;
  const Connection* dialled = other_end(accepted, accepted.receive_turn_position);
  Connection* ingress = dialled && !dialled->dials_tls ? relay_ingress(dialled->owner_pid, accepted) : nullptr;
  if (!ingress) return nullptr;
  accepted.relayed_from = ingress->opened.id;
  ingress->is_relayed = true;
  return ingress;
}

Connection* Connections::relay_ingress(std::uint32_t pid, const Connection& relayed) {
  Connection* found = nullptr;
  for (const ConnectionId id : ingress_of(pid)) {
    Connection* ingress = find(id);
    if (!ingress || id == relayed.opened.id || !ingress->session.client_hello) continue;
    if (ingress->session.state == SessionState::kEstablished || !lived_together(*ingress, relayed)) continue;
    if (ingress->session.client_hello->random != relayed.session.client_hello->random) continue;
    if (found) return nullptr;
    found = ingress;
  }
  return found;
}

const std::unordered_set<ConnectionId>& Connections::owned(const OwnerIndex& index, std::uint32_t pid) {
  static const std::unordered_set<ConnectionId> kNone;
  const auto entry = index.find(pid);
  return entry == index.end() ? kNone : entry->second;
}

void Connections::end_process(std::uint32_t pid, std::uint64_t time_ns) {
  incomplete_.erase(pid);
  for_each([&](Connection& connection) {
    if (connection.opened.is_unix && connection.owner_pid == pid) close(connection, time_ns);
  });
}

void Connections::sweep(std::uint64_t now_ns) {
  for (auto entry = connections_.begin(); entry != connections_.end();) {
    const Connection& connection = entry->second;
    const bool is_over = connection.closed_ns != 0 || (connection.opened.is_unix && connection.ended_ns != 0);
    if (is_over && now_ns > std::max(connection.last_ns, connection.closed_ns) + kLingerNs) {
      unindex(connection);
      entry = connections_.erase(entry);
    } else {
      ++entry;
    }
  }
  if (connections_.size() > capacity_) evict_idle();
}

void Connections::index(const Connection& connection) {
  const ConnectionId id = connection.opened.id;
  if (connection.opened.is_unix) {
    by_socket_[connection.opened.socket] = id;
  } else if (connection.role == Role::kIngress) {
    by_remote_.emplace(connection.opened.remote, id);
  } else {
    by_local_.emplace(connection.opened.local, id);
  }
  if (connection.first_sent_position) by_first_sent_.emplace(*connection.first_sent_position, id);
  if (OwnerIndex* index = owners(connection)) (*index)[connection.owner_pid].insert(id);
}

Connections::OwnerIndex* Connections::owners(const Connection& connection) {
  if (connection.role == Role::kIngress) return &ingress_;
  return connection.role == Role::kUnknown ? &undecided_ : nullptr;
}

template <typename Index, typename Key>
void Connections::erase_entry(Index& index, const Key& key, ConnectionId id) {
  const auto [first, last] = index.equal_range(key);
  const auto entry = std::find_if(first, last, [id](const auto& item) { return item.second == id; });
  if (entry != last) index.erase(entry);
}

void Connections::unindex(const Connection& connection) {
  const ConnectionId id = connection.opened.id;
  if (connection.opened.is_unix) {
    const auto socket = by_socket_.find(connection.opened.socket);
    if (socket != by_socket_.end() && socket->second == id) by_socket_.erase(socket);
  } else {
    const bool is_accepted = connection.role == Role::kIngress;
    erase_entry(is_accepted ? by_remote_ : by_local_, is_accepted ? connection.opened.remote : connection.opened.local, id);
  }
  if (connection.first_sent_position) erase_entry(by_first_sent_, *connection.first_sent_position, id);
  disown(connection);
}

void Connections::disown(const Connection& connection) {
  OwnerIndex* index = owners(connection);
  const auto owned = index ? index->find(connection.owner_pid) : OwnerIndex::iterator();
  if (!index || owned == index->end()) return;
  owned->second.erase(connection.opened.id);
  if (owned->second.empty()) index->erase(owned);
}

void Connections::evict_idle() {
  std::vector<std::pair<std::uint64_t, ConnectionId>> by_age;
  by_age.reserve(connections_.size());
  for (const auto& [id, connection] : connections_) by_age.emplace_back(connection.last_ns, id);
  const std::size_t excess = connections_.size() - capacity_ + capacity_ / 16 + 1;
  const std::size_t count = std::min(excess, by_age.size());
  std::nth_element(by_age.begin(), by_age.begin() + static_cast<std::ptrdiff_t>(count), by_age.end());
  for (std::size_t i = 0; i < count; ++i) {
    const auto entry = connections_.find(by_age[i].second);
    const Connection& evicted = entry->second;
    if (evicted.role == Role::kIngress && evicted.closed_ns == 0) incomplete_.insert(evicted.owner_pid);
    unindex(evicted);
    connections_.erase(entry);
    ++evicted_;
  }
}

}  // namespace mtlswatch
