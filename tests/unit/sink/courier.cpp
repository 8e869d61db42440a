// SPDX-License-Identifier: Apache-2.0
#include "userspace/sink/courier.h"

#include <gtest/gtest.h>

#include <future>
#include <vector>

namespace mtlswatch {
namespace {

using Result = Attempt::Result;
constexpr std::chrono::milliseconds kLong{60'000};

/// A peer whose answers are written down beforehand; after the last it takes everything.
struct Peer {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Result> answers;
  std::vector<std::string> got;  ///< ids of what was taken
  int attempts = 0;
  int repeats = 0;
  bool stuck = false;  ///< hangs until it is told to stop

  template <typename Condition>
  void wait(Condition condition) {
    std::unique_lock<std::mutex> lock(mutex);
    changed.wait(lock, condition);
  }
};

class PeerDelivery final : public Delivery {
 public:
  PeerDelivery(Peer& peer, std::size_t at_once, std::chrono::milliseconds every)
      : peer_(peer), at_once_(at_once), every_(every) {}
  std::size_t most_at_once() const override { return at_once_; }
  std::chrono::milliseconds repeat_every() const override { return every_; }

  Attempt deliver(std::span<const Message> messages, const ShouldAbort& should_abort) override {
    const std::lock_guard<std::mutex> lock(peer_.mutex);
    ++peer_.attempts;
    peer_.changed.notify_all();
    if (peer_.stuck) {
      peer_.mutex.unlock();
      while (!should_abort()) std::this_thread::yield();
      peer_.mutex.lock();
      return {Result::kRetry, "stuck"};
    }
    const Result answer = peer_.answers.empty() ? Result::kDone : peer_.answers.front();
    if (!peer_.answers.empty()) peer_.answers.pop_front();
    for (const Message& message : messages) {
      if (answer == Result::kDone) peer_.got.push_back(message.event_id);
    }
    return {answer, answer == Result::kDone ? "" : "no"};
  }

  Attempt repeat(const ShouldAbort&) override {
    const std::lock_guard<std::mutex> lock(peer_.mutex);
    ++peer_.repeats;
    peer_.changed.notify_all();
    return {};
  }

 private:
  Peer& peer_;
  std::size_t at_once_;
  std::chrono::milliseconds every_;
};

Message message(const std::string& id) {
  Message item;
  item.event_id = id;
  item.json = "{}";
  return item;
}

std::unique_ptr<Courier> courier(Peer& peer, std::size_t room = 100, std::size_t at_once = 1,
                                 std::chrono::milliseconds every = {}) {
  CourierLimits limits;
  limits.messages = room;
  limits.first_pause = std::chrono::milliseconds(1);
  limits.longest_pause = std::chrono::milliseconds(2);
  return std::make_unique<Courier>(std::make_unique<PeerDelivery>(peer, at_once, every), limits);
}

TEST(Courier, delivers_in_order_and_ends_when_all_is_delivered) {
  Peer peer;
  const auto sender = courier(peer);
  for (const char* id : {"a", "b", "c"}) sender->offer(message(id));
  sender->finish(kLong);
  EXPECT_EQ(peer.got, (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(sender->status().written, 3u);
  EXPECT_EQ(sender->status().lost, 0u);
}

TEST(Courier, tries_again_until_the_peer_takes_it) {
  Peer peer;
  peer.answers = {Result::kRetry, Result::kRetry, Result::kDone};
  const auto sender = courier(peer);
  sender->offer(message("a"));
  peer.wait([&] { return !peer.got.empty() || peer.attempts > 5; });
  sender->finish(kLong);
  EXPECT_EQ(peer.got, (std::vector<std::string>{"a"}));
  EXPECT_EQ(peer.attempts, 3);
}

TEST(Courier, counts_what_the_peer_refuses_and_goes_on) {
  Peer peer;
  peer.answers = {Result::kRefused};
  const auto sender = courier(peer);
  sender->offer(message("a"));
  sender->offer(message("b"));
  sender->finish(kLong);
  EXPECT_EQ(peer.got, (std::vector<std::string>{"b"}));
  EXPECT_EQ(sender->status().lost, 1u);
  EXPECT_EQ(sender->status().last_error, "no");
}

TEST(Courier, has_no_room_beyond_its_limit_and_never_waits_for_a_stuck_peer) {
  Peer peer;
  peer.stuck = true;
  const auto sender = courier(peer, 3);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(sender->has_room());
    sender->offer(message("x"));
  }
  peer.wait([&] { return peer.attempts == 1; });
  EXPECT_FALSE(sender->has_room()) << "what is being delivered is not delivered yet";
  sender->count_lost();
  sender->finish(std::chrono::milliseconds(1));
  EXPECT_EQ(sender->status().lost, 4u);
  EXPECT_EQ(sender->status().written, 0u);
}

TEST(Courier, gives_up_a_failing_peer_at_once_when_it_must_end) {
  Peer peer;
  peer.answers.assign(1000, Result::kRetry);
  const auto sender = courier(peer);
  sender->offer(message("a"));
  peer.wait([&] { return peer.attempts > 2; });
  sender->finish(kLong);
  EXPECT_EQ(sender->status().lost, 1u);
}

TEST(Courier, repeats_after_each_delivery_and_before_it_ends) {
  Peer peer;
  const auto sender = courier(peer, 10, 1, kLong);
  sender->offer(message("a"));
  peer.wait([&] { return peer.repeats == 1; });
  sender->offer(message("b"));
  sender->finish(kLong);
  EXPECT_EQ(peer.repeats, 2);
}

TEST(Courier, repeats_without_being_given_anything) {
  Peer peer;
  const auto sender = courier(peer, 10, 1, std::chrono::milliseconds(1));
  peer.wait([&] { return peer.repeats >= 3; });
  sender->finish(kLong);
  EXPECT_EQ(sender->status().written, 0u);
}

}  // namespace
}  // namespace mtlswatch
