// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/builders/scene.h"

namespace mtlswatch {
namespace {

TEST(Exchange, leaves_exactly_once_however_much_evidence_follows) {
  Scene scene;
  const ConnectionId alice = scene.verified_client(40000, "alice");
  const auto [upstream, backend] = scene.upstream(5000);
  scene.receive(alice, 2, 300);
  scene.send(upstream, 1, 7000, Witness{alice, 2, 300});
  scene.request(backend, 7000);
  scene.response(backend);
  scene.send(alice, 2, 900, Witness{upstream, 1, 1});
  scene.send(alice, 2, 950, Witness{upstream, 1, 1});
  scene.response(backend, 500, false);
  scene.pass(20'000 * kMs);
  EXPECT_EQ(scene.out.exchanges.size(), 1u);
  EXPECT_EQ(scene.correlator.exchanges(), 0u);
}

TEST(Exchange, without_a_response_is_settled_ten_seconds_after_it_began) {
  Scene scene;
  const auto [upstream, backend] = scene.upstream(5000);
  scene.request(backend, 7000);
  scene.pass(9'900 * kMs);
  EXPECT_TRUE(scene.out.exchanges.empty());
  scene.pass(200 * kMs);
  EXPECT_EQ(scene.settled().status, 0);
  scene.response(backend);  // late: known, so it is not taken for the response of an unseen request
  scene.pass(3'000 * kMs);
  EXPECT_EQ(scene.out.exchanges.size(), 1u);
}

TEST(Exchange, pipelined_responses_go_to_their_requests_in_order) {
  Scene scene;
  const auto [upstream, backend] = scene.upstream(5000);
  scene.request(backend, 7000, "/first");
  scene.request(backend, 7100, "/second");
  scene.response(backend, 201);
  scene.response(backend, 404, false);
  scene.pass(2'100 * kMs);
  ASSERT_EQ(scene.out.exchanges.size(), 2u);
  EXPECT_EQ(scene.out.exchanges[0].request.head.path, "/first");
  EXPECT_EQ(scene.out.exchanges[0].status, 201);
  EXPECT_EQ(scene.out.exchanges[1].status, 404);
}

TEST(Exchange, a_response_without_a_request_is_told_as_such) {
  Scene scene;
  const auto [upstream, backend] = scene.upstream(5000);
  scene.response(backend);
  EXPECT_FALSE(scene.settled().request_seen);
}

TEST(Exchange, a_body_that_looks_like_a_status_line_is_no_response) {
  Scene scene;
  const auto [upstream, backend] = scene.upstream(5000);
  scene.request(backend, 7000);
  scene.response(backend, 200);
  scene.response(backend, 500, false);
  scene.pass(2'100 * kMs);
  EXPECT_EQ(scene.settled().status, 200);
}

TEST(Exchange, under_way_during_a_loss_is_tainted_and_later_ones_are_not) {
  Scene scene;
  const auto [upstream, backend] = scene.upstream(5000);
  scene.request(backend, 7000, "/during");
  scene.give(RecordsLost{scene.now_ns, scene.now_ns + 5, 3});
  scene.now_ns += 5;
  scene.response(backend);
  scene.request(backend, 7100, "/after");
  scene.response(backend);
  scene.pass(2'100 * kMs);
  ASSERT_EQ(scene.out.exchanges.size(), 2u);
  EXPECT_TRUE(scene.out.exchanges[0].touched_by_loss);
  EXPECT_FALSE(scene.out.exchanges[1].touched_by_loss);
}

TEST(Exchange, whose_response_was_lost_takes_no_later_one_for_its_own) {
  Scene scene;
  const auto [upstream, backend] = scene.upstream(5000);
  const auto ask = [&, backend = backend](std::uint64_t turn, const char* path) {
    scene.give(scene.turn(kDjango, backend, false, turn, 7000 + 100 * turn));
    scene.request(backend, 7000 + 100 * turn, path);
  };
  ask(1, "/lost");
  scene.give(RecordsLost{scene.now_ns, scene.now_ns + 5, 3});
  scene.now_ns += 5;
  ask(2, "/next");
  scene.response(backend, 404);
  ask(3, "/after");
  scene.response(backend, 200);
  scene.pass(2'100 * kMs);
  ASSERT_EQ(scene.out.exchanges.size(), 3u);
  EXPECT_EQ(scene.out.exchanges[0].status, 0);
  EXPECT_TRUE(scene.out.exchanges[0].touched_by_loss);
  EXPECT_TRUE(scene.out.exchanges[1].touched_by_loss) << "whether the response is this one's is not known";
  EXPECT_EQ(scene.out.exchanges[2].request.head.path, "/after");
  EXPECT_EQ(scene.out.exchanges[2].status, 200);
  EXPECT_FALSE(scene.out.exchanges[2].touched_by_loss);
}

TEST(Exchange, behind_one_of_which_nothing_was_read_is_not_answered_in_its_place) {
  Scene scene;
  const auto [upstream, backend] = scene.upstream(5000);
  RequestSeen missed{.time_ns = ++scene.now_ns, .actor = {kDjango, kDjango}, .id = backend, .position = 7000, .head = {}};
  missed.head.state = HeadState::kCut;
  scene.give(scene.turn(kDjango, backend, false, 2, 7200));
  scene.give(missed);
  scene.request(backend, 7200, "/next");
  scene.response(backend, 404);
  scene.pass(2'100 * kMs);
  ASSERT_EQ(scene.out.exchanges.size(), 2u);
  EXPECT_EQ(scene.out.exchanges[0].response_ns, 0u);
  EXPECT_EQ(scene.out.exchanges[1].request.head.path, "/next");
  EXPECT_TRUE(scene.out.exchanges[1].touched_by_loss);
}

TEST(Exchange, whose_head_is_told_after_a_loss_in_its_turn_is_tainted) {
  Scene scene;
  const auto [upstream, backend] = scene.upstream(5000);
  scene.give(scene.turn(kDjango, backend, false, 1, 7000));
  scene.give(RecordsLost{scene.now_ns, scene.now_ns + 5, 1});
  scene.now_ns += 5;
  scene.request(backend, 7000);
  scene.response(backend);
  scene.pass(2'100 * kMs);
  EXPECT_TRUE(scene.settled().touched_by_loss);
}

TEST(Exchange, above_the_limit_is_settled_at_once_and_memory_stays_bounded) {
  Scene scene;
  LimitsConfig limits;
  limits.exchanges = 4;
  Correlator small(limits);
  Findings out;
  for (std::uint64_t i = 0; i < 100; ++i) {
    RequestSeen seen;
    seen.id = 1;
    seen.position = i;
    small.on(seen, out);
  }
  EXPECT_LE(small.exchanges(), 100u);
  EXPECT_GE(out.exchanges.size(), 96u);
}

/// A worker of uwsgi at 127.0.0.1:8000, and a process of the same backend that connects to it.
class UwsgiRouter : public testing::Test {
 protected:
  static constexpr std::uint32_t kRouter = 30, kMaster = 5;

  UwsgiRouter() {
    peer_.pid = kRouter;
    ProcessFacts worker = peer_;
    worker.pid = kDjango;
    worker.listeners = {tcp("127.0.0.1", 8000)};
    scene_.give(ProcessKnown{worker});
  }
  std::size_t exchanges() {
    scene_.give(ProcessKnown{peer_});
    const Endpoint router = tcp("127.0.0.1", 5000), worker = tcp("127.0.0.1", 8000);
    scene_.connection(kRouter, Role::kEgress, router, worker);
    const ConnectionId accepted = scene_.connection(kDjango, Role::kIngress, worker, router);
    scene_.request(accepted, 7000);
    scene_.response(accepted);
    scene_.pass(3'000 * kMs);
    return scene_.out.exchanges.size();
  }

  ProcessFacts peer_ = [] {
    ProcessFacts facts;
    facts.parent_pid = kMaster;
    facts.backend = "shop";
    facts.executable = "/usr/bin/uwsgi-core";
    facts.listeners = {tcp("127.0.0.1", 9000)};
    return facts;
  }();
  Scene scene_;
};

TEST_F(UwsgiRouter, hands_over_an_exchange_that_is_told_where_the_router_read_it) { EXPECT_EQ(exchanges(), 0u); }

TEST_F(UwsgiRouter, that_was_just_forked_is_waited_for) {
  ProcessFacts master = peer_;
  master.pid = kMaster;
  master.listeners = {tcp("127.0.0.1", 8000), tcp("127.0.0.1", 9000)};
  scene_.give(ProcessKnown{master});
  scene_.give(ProcessChange{scene_.now_ns, kRouter, ProcessChangeKind::kFork, kMaster, true});
  const Endpoint router = tcp("127.0.0.1", 5000), worker = tcp("127.0.0.1", 8000);
  scene_.connection(kRouter, Role::kEgress, router, worker);
  const ConnectionId accepted = scene_.connection(kDjango, Role::kIngress, worker, router);
  scene_.request(accepted, 7000);
  scene_.response(accepted);
  scene_.pass(100 * kMs);
  EXPECT_TRUE(scene_.out.exchanges.empty());
  scene_.give(ProcessKnown{peer_});
  scene_.pass(3'000 * kMs);
  EXPECT_TRUE(scene_.out.exchanges.empty());
}

TEST_F(UwsgiRouter, is_none_if_it_listens_where_the_worker_does) {
  peer_.listeners.push_back(tcp("127.0.0.1", 8000));
  EXPECT_EQ(exchanges(), 1u) << "a worker that asks its own backend";
}

TEST_F(UwsgiRouter, is_none_if_it_does_not_listen) {
  peer_.listeners.clear();
  EXPECT_EQ(exchanges(), 1u) << "a spooler";
}

TEST_F(UwsgiRouter, is_none_if_it_is_a_workers_child) {
  peer_.parent_pid = kDjango;
  EXPECT_EQ(exchanges(), 1u);
}

TEST_F(UwsgiRouter, is_none_if_it_serves_something_else) {
  peer_.backend = "till";
  EXPECT_EQ(exchanges(), 1u);
}

}  // namespace
}  // namespace mtlswatch
