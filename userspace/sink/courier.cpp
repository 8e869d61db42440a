// SPDX-License-Identifier: Apache-2.0
#include "userspace/sink/courier.h"

#include <algorithm>
#include <vector>

#include "userspace/base/plain_thread.h"

namespace mtlswatch {
namespace {

std::size_t bytes_of(const Message& message) { return message.json.size() + sizeof message; }

}  // namespace

Courier::Courier(std::unique_ptr<Delivery> delivery, CourierLimits limits)
    : delivery_(std::move(delivery)), limits_(limits), thread_(start_plain_thread([this] { run(); })) {}

Courier::~Courier() { finish(std::chrono::milliseconds(0)); }

bool Courier::has_room() const {
  const Lock lock(mutex_);
  return !stopping_ && queue_.size() < limits_.messages && status_.queued_bytes < limits_.bytes;
}

void Courier::offer(Message message) {
  {
    const Lock lock(mutex_);
    if (stopping_) {
      ++status_.lost;
      return;
    }
    status_.queued_bytes += bytes_of(message);
    queue_.push_back(std::move(message));
  }
  changed_.notify_one();
}

void Courier::count_lost() {
  const Lock lock(mutex_);
  ++status_.lost;
  if (status_.last_error.empty()) status_.last_error = "the peer is too slow";
}

void Courier::begin_finish(std::chrono::milliseconds timeout) {
  {
    const Lock lock(mutex_);
    if (!stopping_) stop_by_ = Clock::now() + timeout;
    stopping_ = true;
  }
  changed_.notify_one();
}

void Courier::finish(std::chrono::milliseconds timeout) {
  if (!thread_.joinable()) return;
  begin_finish(timeout);
  thread_.join();
  status_.lost += queue_.size();
  status_.queued_bytes = 0;
  queue_.clear();
}

OutputStatus Courier::status() const {
  const Lock lock(mutex_);
  return status_;
}

bool Courier::must_abort() const {
  const Lock lock(mutex_);
  return stopping_ && Clock::now() >= stop_by_;
}

Courier::Clock::time_point Courier::repeat_due() const {
  const auto every = delivery_->repeat_every();
  if (every.count() == 0) return Clock::time_point::max();
  return has_news_ ? Clock::time_point() : repeated_ + every;
}

void Courier::run() {
  Lock lock(mutex_);
  while (!stopping_ || (!queue_.empty() && Clock::now() < stop_by_)) {
    const auto due = repeat_due();
    const auto is_wanted = [&] { return stopping_ || !queue_.empty(); };
    if (due == Clock::time_point::max()) {
      changed_.wait(lock, is_wanted);
    } else {
      changed_.wait_until(lock, due, is_wanted);
    }
    if (!queue_.empty()) deliver_some(lock);
    repeat_if_due(lock);
  }
}

/// The messages stay in the queue until they are delivered or refused, so that it is full while the peer is away.
void Courier::deliver_some(Lock& lock) {
  const std::size_t count = std::min(queue_.size(), delivery_->most_at_once());
  const std::vector<Message> batch(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(count));
  lock.unlock();
  const Attempt attempt = delivery_->deliver(batch, [this] { return must_abort(); });
  lock.lock();
  if (attempt.result == Attempt::Result::kRetry) return pause(lock, attempt);
  failures_ = 0;
  for (std::size_t i = 0; i < count; ++i) {
    status_.queued_bytes -= bytes_of(queue_.front());
    queue_.pop_front();
  }
  if (attempt.result == Attempt::Result::kDone) {
    status_.written += count;
    has_news_ = true;
  } else {
    status_.lost += count;
    status_.last_error = attempt.error;
  }
}

void Courier::repeat_if_due(Lock& lock) {
  if (Clock::now() < repeat_due()) return;
  lock.unlock();
  const Attempt attempt = delivery_->repeat([this] { return must_abort(); });
  lock.lock();
  if (attempt.result == Attempt::Result::kRetry) return pause(lock, attempt);
  failures_ = 0;
  has_news_ = false;
  repeated_ = Clock::now();
}

/// Waits longer after each failure. Nothing is waited for while stopping: what could not be delivered then is given up.
void Courier::pause(Lock& lock, const Attempt& attempt) {
  status_.last_error = attempt.error;
  if (stopping_) {
    stop_by_ = Clock::now();
    return;
  }
  constexpr unsigned kMostDoublings = 16;
  const auto wanted = limits_.first_pause * (1u << std::min(failures_++, kMostDoublings));
  changed_.wait_for(lock, std::min(wanted, limits_.longest_pause), [this] { return stopping_; });
}

}  // namespace mtlswatch
