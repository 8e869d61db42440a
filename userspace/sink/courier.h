// SPDX-License-Identifier: Apache-2.0
// A bounded queue and the thread that empties it into a Delivery, with retries and back-off. offer() and status() never
// wait for the peer. mutex_ guards every member below it; the delivery is the thread's own.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#include "userspace/sink/delivery.h"
#include "userspace/sink/sink.h"

namespace mtlswatch {

struct CourierLimits {
  std::size_t messages = 1000;
  std::size_t bytes = 16u << 20;
  std::chrono::milliseconds first_pause{500};  ///< after a failure; doubled by each further one
  std::chrono::milliseconds longest_pause{30'000};
};

class Courier {
 public:
  Courier(std::unique_ptr<Delivery> delivery, CourierLimits limits);
  ~Courier();  ///< ends the thread; what is queued is lost
  Courier(const Courier&) = delete;
  Courier& operator=(const Courier&) = delete;

  /// Whether offer() would take a message: asked before one is made.
  bool has_room() const;
  void offer(Message message);
  /// Counts a message that was not made for want of room.
  void count_lost();

  void begin_finish(std::chrono::milliseconds timeout);
  /// Ends the thread and counts what is left as lost.
  void finish(std::chrono::milliseconds timeout);
  OutputStatus status() const;

 private:
  using Clock = std::chrono::steady_clock;
  using Lock = std::unique_lock<std::mutex>;

  void run();
  void deliver_some(Lock& lock);
  void repeat_if_due(Lock& lock);
  void pause(Lock& lock, const Attempt& attempt);
  bool must_abort() const;
  Clock::time_point repeat_due() const;

  std::unique_ptr<Delivery> delivery_;
  const CourierLimits limits_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Message> queue_;
  OutputStatus status_;
  unsigned failures_ = 0;  ///< in a row
  bool stopping_ = false;
  Clock::time_point stop_by_;
  Clock::time_point repeated_ = Clock::now();
  bool has_news_ = false;  ///< delivered since the last repetition
  std::thread thread_;
};

}  // namespace mtlswatch
