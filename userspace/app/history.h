// SPDX-License-Identifier: Apache-2.0
// The last verdicts with their evidence, for `explain` and `events`. Owned by the event loop; its memory is bounded by
// its capacity, and a capacity of 0 keeps nothing.
#pragma once

#include <deque>
#include <string>
#include <utility>

#include "userspace/model/verdict.h"

namespace mtlswatch {

class History {
 public:
  explicit History(std::size_t capacity) : capacity_(capacity) {}

  /// Keeps requests and handshakes; takes the report's contents.
  void keep(Report&& report) {
    if (capacity_ == 0 || std::holds_alternative<AgentReport>(report)) return;
    if (reports_.size() >= capacity_) reports_.pop_front();
    reports_.push_back(std::move(report));
  }
  /// Null: not, or no longer, here.
  const Report* find(const std::string& event_id) const {
    for (auto report = reports_.rbegin(); report != reports_.rend(); ++report) {
      if (std::visit([](const auto& each) -> const std::string& { return each.event_id; }, *report) == event_id)
        return &*report;
    }
    return nullptr;
  }
  const std::deque<Report>& reports() const { return reports_; }  ///< oldest first
  std::size_t capacity() const { return capacity_; }

 private:
  std::size_t capacity_;
  std::deque<Report> reports_;
};

}  // namespace mtlswatch
