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
  scene.response(backend);
  scene.request(backend, 7100, "/after");
  scene.response(backend);
  scene.pass(2'100 * kMs);
  ASSERT_EQ(scene.out.exchanges.size(), 2u);
  EXPECT_TRUE(scene.out.exchanges[0].touched_by_loss);
  EXPECT_FALSE(scene.out.exchanges[1].touched_by_loss);
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

}  // namespace
}  // namespace mtlswatch
