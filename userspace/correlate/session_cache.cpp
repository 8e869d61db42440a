// SPDX-License-Identifier: Apache-2.0
#include "userspace/correlate/session_cache.h"

#include <limits>

namespace mtlswatch {

void SessionCache::remember(std::uint32_t pid, std::uint64_t session, OlderSession older) {
  const Key key{pid, session};
  sessions_[key] = {std::move(older), ++next_};
  by_age_.emplace_back(key, next_);
  make_room();
}

// Stale names are dropped as they come to the front, and all at once when they outnumber the entries.
void SessionCache::make_room() {
  while (sessions_.size() > kSessions || by_age_.size() > 2 * kSessions) {
    const auto [key, number] = by_age_.front();
    by_age_.pop_front();
    const auto found = sessions_.find(key);
    if (found == sessions_.end() || found->second.number != number) continue;
    sessions_.erase(found);
    ++evicted_;
  }
}

void SessionCache::forget(std::uint32_t pid, std::uint64_t session) { sessions_.erase({pid, session}); }

void SessionCache::forget_process(std::uint32_t pid) {
  sessions_.erase(sessions_.lower_bound({pid, 0}), sessions_.upper_bound({pid, std::numeric_limits<std::uint64_t>::max()}));
}

void SessionCache::clear() {
  sessions_.clear();
  by_age_.clear();
}

const OlderSession* SessionCache::find(std::uint32_t pid, std::uint64_t session) const {
  const auto found = sessions_.find({pid, session});
  return found == sessions_.end() ? nullptr : &found->second.session;
}

}  // namespace mtlswatch
