// SPDX-License-Identifier: Apache-2.0
// The one place where kernel time becomes UTC: what is to be added to CLOCK_BOOTTIME. Copies stand for the same clock, so
// that a step of the wall clock is known to all of them at once. Any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

namespace mtlswatch {

class UtcClock {
 public:
  UtcClock() : UtcClock(0) {}
  explicit UtcClock(std::int64_t utc_minus_boottime_ns) : offset_ns_(std::make_shared<std::atomic<std::int64_t>>(utc_minus_boottime_ns)) {}
  operator std::int64_t() const { return offset_ns_->load(std::memory_order_relaxed); }
  void set(std::int64_t utc_minus_boottime_ns) { offset_ns_->store(utc_minus_boottime_ns, std::memory_order_relaxed); }

 private:
  std::shared_ptr<std::atomic<std::int64_t>> offset_ns_;
};

}  // namespace mtlswatch
