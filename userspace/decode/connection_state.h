// SPDX-License-Identifier: Apache-2.0
// What the decoder remembers of connections between records, in a bounded table. Owned by the stream reader.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <unordered_map>

#include "userspace/decode/connection_beginning.h"
#include "userspace/decode/encrypted_turns.h"
#include "userspace/decode/request_framer.h"
#include "userspace/model/events.h"

namespace mtlswatch {

struct ConnectionState {
  Role role = Role::kUnknown;
  bool announced = false;  ///< a record told of it; it is told again when its role becomes known
  bool is_unix = false;
  bool predates = true;      ///< its beginning was not seen
  bool opaque = false;       ///< upgraded to another protocol
  bool request_seen = false;
  bool status_seen = false;  ///< its responses begin with status lines
  std::uint32_t unanswered = 0;  ///< requests without a final status
  std::unique_ptr<RequestFramer> framer;           ///< at a backend
  std::unique_ptr<EncryptedTurns> encrypted;       ///< at a backend that ends TLS itself, instead of a framer
  std::unique_ptr<ConnectionBeginning> beginning;  ///< at a front or over TLS, until all is learnt
};

/// Connections by socket cookie. When full, the one unused for longest goes.
class ConnectionTable {
 public:
  explicit ConnectionTable(std::size_t limit) : limit_(limit == 0 ? 1 : limit) {}

  /// The connection, now the most recently used; null if it is not known.
  ConnectionState* find(ConnectionId id) {
    const auto found = entries_.find(id);
    if (found == entries_.end()) return nullptr;
    order_.splice(order_.end(), order_, found->second.place);
    return &found->second.state;
  }

  ConnectionState& find_or_add(ConnectionId id) {
    if (ConnectionState* known = find(id)) return *known;
    if (entries_.size() == limit_) evict_oldest();
    Entry& entry = entries_[id];
    entry.place = order_.insert(order_.end(), id);
    return entry.state;
  }

  void remove(ConnectionId id) {
    const auto found = entries_.find(id);
    if (found == entries_.end()) return;
    order_.erase(found->second.place);
    entries_.erase(found);
  }

  std::size_t size() const { return entries_.size(); }
  std::uint64_t evicted() const { return evicted_; }

 private:
  struct Entry {
    ConnectionState state;
    std::list<ConnectionId>::iterator place;
  };

  void evict_oldest() {
    entries_.erase(order_.front());
    order_.pop_front();
    ++evicted_;
  }

  std::size_t limit_;
  std::unordered_map<ConnectionId, Entry> entries_;
  std::list<ConnectionId> order_;  ///< least recently used first
  std::uint64_t evicted_ = 0;
};

}  // namespace mtlswatch
