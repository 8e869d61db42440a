// SPDX-License-Identifier: Apache-2.0
// The agent's state as the event loop published it last, for the HTTP thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

#include "userspace/model/status.h"

namespace mtlswatch {

class PublishedStatus {
 public:
  void publish(AgentStatus status) {
    auto next = std::make_shared<const AgentStatus>(std::move(status));
    const std::lock_guard lock(mutex_);
    status_.swap(next);
  }
  std::shared_ptr<const AgentStatus> get() const {
    const std::lock_guard lock(mutex_);
    return status_;
  }
  /// The event loop has turned.
  void note_turn(std::uint64_t now_ns) { last_turn_ns_.store(now_ns, std::memory_order_relaxed); }
  std::uint64_t last_turn_ns() const { return last_turn_ns_.load(std::memory_order_relaxed); }

 private:
  mutable std::mutex mutex_;  ///< over status_
  std::shared_ptr<const AgentStatus> status_ = std::make_shared<const AgentStatus>();
  std::atomic<std::uint64_t> last_turn_ns_{0};
};

}  // namespace mtlswatch
