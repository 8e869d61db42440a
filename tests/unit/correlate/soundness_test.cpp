// SPDX-License-Identifier: Apache-2.0
// What correlation must not let policy conclude.
#include <cerrno>

#include "tests/unit/builders/scene.h"

namespace mtlswatch {
namespace {

// A relay whose TLS no probe sees (Node, Go) may have verified its clients: they are candidates, not nothing.
TEST(Soundness, tls_that_no_probe_sees_is_a_candidate) {
  Scene scene;
  const ConnectionId client = scene.tls_client(40000);
  const auto [upstream, backend] = scene.upstream(5000);
  scene.receive(client, 2, 300);
  scene.send(upstream, 1, 7000, Witness{});
  scene.request(backend, 7000);
  scene.response(backend);
  scene.pass(2'100 * kMs);
  ASSERT_EQ(scene.settled().provenance.origins.size(), 1u);
  EXPECT_EQ(scene.settled().provenance.origins[0].id, client);
}

// TLS 1.3 post-handshake authentication and renegotiation change who the client is, outside of any handshake call.
TEST(Soundness, a_certificate_outside_a_handshake_makes_the_processs_sessions_uncertain) {
  Scene scene;
  const ConnectionId nobody = scene.client_without_certificate(40000);
  scene.give(PeerCertificate{++scene.now_ns, {kNginx, kNginx}, 0, 0, 0, {}});
  const auto [upstream, backend] = scene.upstream(5000);
  scene.receive(nobody, 2, 300);
  scene.send(upstream, 1, 7000, Witness{nobody, 2, 300});
  scene.request(backend, 7000);
  scene.response(backend);
  scene.send(nobody, 2, 900, Witness{upstream, 1, 1});
  ASSERT_EQ(scene.settled().provenance.origins.size(), 1u);
  EXPECT_TRUE(scene.settled().provenance.origins[0].identity_may_have_changed);
}

// TLS 1.2 resumption: the client's Finished comes last, and its first request begins no turn of its own.
TEST(Soundness, a_request_in_the_turn_that_ends_the_handshake_makes_a_candidate) {
  Scene scene;
  scene.make_proxy_unknown();
  const ConnectionId alice = scene.verified_client(40000, "alice");
  scene.receive(alice, 2, 300);
  const ConnectionId mallory = scene.tls_client(40001);
  scene.receive(mallory, 2, 300);
  scene.finish_handshake(mallory, 0, std::nullopt);
  scene.ask_from({});
  EXPECT_EQ(scene.candidates(), (std::vector{alice, mallory}));
}

// A server that reads ahead has the request in hand when the handshake ends; tickets are sent in between.
TEST(Soundness, a_request_that_was_read_with_the_end_of_the_handshake_makes_a_candidate) {
  Scene scene;
  scene.make_proxy_unknown();
  const ConnectionId alice = scene.verified_client(40000, "alice");
  scene.receive(alice, 2, 300);
  const ConnectionId mallory = scene.tls_client(40001);
  scene.receive(mallory, 2, 300);
  scene.send(mallory, 2, 900, {});
  scene.finish_handshake(mallory, 0, std::nullopt);
  scene.ask_from({});
  EXPECT_EQ(scene.candidates(), (std::vector{alice, mallory}));
}

TEST(Soundness, a_server_that_a_process_dials_is_not_its_client) {
  Scene scene;
  for (const Role role : {Role::kEgress, Role::kUnknown}) {
    const ConnectionId dialled = scene.connection(kNginx, role, tcp("10.0.0.1", 5000), tcp("192.0.2.1", 443));
    scene.give(PeerCertificate{++scene.now_ns, {kNginx, kNginx}, dialled, 1, 0, leaf("server")});
    scene.finish_handshake(dialled, 1, 0);
  }
  EXPECT_TRUE(scene.out.handshakes.empty());
}

TEST(Soundness, a_client_that_resets_its_connection_leaves_its_request_in_the_queue) {
  Scene scene;
  scene.make_proxy_unknown();
  const ConnectionId alice = scene.verified_client(40000, "alice");
  scene.receive(alice, 2, 300);
  const ConnectionId mallory = scene.client_without_certificate(40001);
  scene.receive(mallory, 2, 300);
  scene.give(ConnectionClosed{++scene.now_ns, mallory});
  scene.ask_from({});
  EXPECT_EQ(scene.candidates(), (std::vector{alice, mallory}));
}

TEST(Soundness, a_client_that_was_answered_and_left_is_no_candidate) {
  Scene scene;
  scene.make_proxy_unknown();
  const ConnectionId alice = scene.verified_client(40000, "alice");
  scene.receive(alice, 2, 300);
  const ConnectionId bob = scene.plaintext_client(40001);
  scene.receive(bob, 2, 300);
  scene.send(bob, 2, 900, {});
  scene.give(ConnectionClosed{++scene.now_ns, bob});
  scene.ask_from({});
  EXPECT_EQ(scene.candidates(), std::vector{alice});
}

TEST(Soundness, a_loss_in_mid_handshake_may_have_swallowed_the_certificate) {
  Scene scene;
  const ConnectionId id = scene.tls_client(40000);
  scene.give(RecordsLost{scene.now_ns, scene.now_ns, 1});
  scene.finish_handshake(id, 0, std::nullopt);
  EXPECT_EQ(scene.out.handshakes.at(0).session.presented, std::nullopt);
}

TEST(Soundness, a_loss_may_have_swallowed_a_later_authentication_unless_the_server_never_asks_twice) {
  for (const std::string proxy : {"nginx", "apache"}) {
    Scene scene;
    scene.make_proxy(proxy);
    const ConnectionId alice = scene.verified_client(40000, "alice");
    scene.give(RecordsLost{scene.now_ns, scene.now_ns, 1});
    scene.pass(10);
    scene.receive(alice, 2, 300);
    const auto [upstream, backend] = scene.ask_from(Witness{alice, 2, 300});
    scene.send(alice, 2, 900, Witness{upstream, 1, 1});
    scene.pass(2'100 * kMs);
    ASSERT_EQ(scene.settled().provenance.origins.size(), 1u);
    const Origin& origin = scene.settled().provenance.origins[0];
    EXPECT_EQ(origin.session.presented.has_value(), proxy == "nginx");
    EXPECT_EQ(origin.touched_by_loss, proxy != "nginx");
  }
}

TEST(Soundness, a_chain_of_which_a_call_was_missed_names_nobody) {
  Scene scene;
  const ConnectionId id = scene.tls_client(40000);
  scene.give(PeerCertificate{++scene.now_ns, {kNginx, kNginx}, id, 1, 0, leaf("the authority of alice")});
  HandshakeStep last = scene.step_of(id, 1);
  last.incomplete = true;
  last.verify_code = 0;
  last.certificates = 1;
  scene.give(last);
  EXPECT_TRUE(scene.out.handshakes.at(0).session.chain.empty());
}

TEST(Soundness, nothing_presented_is_not_claimed_where_a_call_was_missed) {
  Scene scene;
  const ConnectionId id = scene.tls_client(40000);
  HandshakeStep first = scene.step_of(id, -1);
  first.incomplete = true;
  first.receive_result = -EAGAIN;
  scene.give(first);
  scene.finish_handshake(id, 0, std::nullopt);
  EXPECT_EQ(scene.out.handshakes.at(0).session.presented, std::nullopt);
}

TEST(Soundness, a_loss_may_have_swallowed_the_first_request_of_an_idle_client) {
  Scene scene;
  scene.make_proxy_unknown();
  const ConnectionId alice = scene.verified_client(40000, "alice");
  const ConnectionId mallory = scene.client_without_certificate(40001);
  scene.give(RecordsLost{scene.now_ns, scene.now_ns + 5, 1});
  scene.pass(10);
  scene.receive(alice, 2, 300);
  scene.ask_from({});
  EXPECT_EQ(scene.candidates(), (std::vector{alice, mallory}));
}

TEST(Soundness, a_forgotten_client_still_counts) {
  LimitsConfig limits;
  limits.connections = 32;
  Scene scene(limits);
  scene.make_proxy_unknown();
  scene.client_without_certificate(40001);
  for (std::uint16_t port = 0; port < 40; ++port) scene.verified_client(static_cast<std::uint16_t>(41000 + port), "alice");
  scene.pass(1'100 * kMs);
  scene.ask_from({});
  scene.pass(2'100 * kMs);
  ASSERT_FALSE(scene.settled().provenance.origins.empty());
  EXPECT_TRUE(scene.settled().provenance.origins.front().predates_agent);
}

/// A program of which nothing is known. Its witnesses on the sockets agree on alice whatever happens beside her request.
class UnknownProxy : public testing::Test {
 protected:
  UnknownProxy() {
    scene.make_proxy_unknown();
    alice = scene.verified_client(40000, "alice");
  }

  /// Alice asks, and is answered with what came back. meanwhile(): between the two.
  template <typename Meanwhile>
  const Attribution& ask(Meanwhile meanwhile) {
    scene.receive(alice, 2, 300);
    const auto [upstream, backend] = scene.ask_from(Witness{alice, 2, 300});
    meanwhile();
    scene.send(alice, 2, 900, Witness{upstream, 1, 1});
    scene.pass(2'100 * kMs);
    return scene.settled().provenance.attribution;
  }
  void send_upstream(std::uint16_t port) { scene.send(scene.upstream(port).first, 1, 7000, Witness{alice, 2, 300}); }

  Scene scene;
  ConnectionId alice = 0;
};

TEST_F(UnknownProxy, is_believed_where_only_one_can_have_asked_and_one_request_went_upstream) {
  const Attribution& attribution = ask([] {});
  EXPECT_EQ(attribution.method, "request+response");
  EXPECT_EQ(attribution.confidence, Confidence::kExact);
}

// Both agreed and were wrong in 2 of 365 requests of HAProxy under load.
TEST_F(UnknownProxy, is_not_believed_while_somebody_else_may_have_asked) {
  scene.receive(scene.client_without_certificate(40001), 2, 300);
  const Attribution& attribution = ask([] {});
  EXPECT_EQ(attribution.method, "candidates");
  EXPECT_EQ(attribution.candidates, 2u);
}

// It may be a front's, whose own end was told of in what was lost, while it waited to be accepted.
TEST(Soundness, a_connection_that_is_accepted_soon_after_a_loss_may_be_anybodys) {
  for (const std::uint64_t later_ns : {30'000 * kMs, 61'000 * kMs}) {
    Scene scene;
    scene.give(RecordsLost{scene.now_ns, scene.now_ns + 1, 1});
    scene.pass(later_ns);
    const ConnectionId backend = scene.connection(kDjango, Role::kIngress, tcp("172.17.0.3", 8000), tcp("172.17.0.2", 5000));
    scene.request(backend, 7000);
    scene.response(backend);
    EXPECT_EQ(scene.settled().provenance.backend_connection_lossy, later_ns < 60'000 * kMs);
  }
}

// Who asked and has gone since may have left a request in its queue.
TEST_F(UnknownProxy, is_not_believed_where_it_sends_more_than_it_was_asked_for) {
  EXPECT_EQ(ask([&] { send_upstream(5001); }).method, "candidates");
}

TEST_F(UnknownProxy, is_not_believed_where_the_request_is_not_the_first_that_it_sends_since_it_was_asked) {
  scene.receive(alice, 2, 300);
  send_upstream(5001);
  const auto [upstream, backend] = scene.ask_from(Witness{alice, 2, 300});
  scene.send(alice, 2, 900, Witness{upstream, 1, 1});
  EXPECT_EQ(scene.candidates(), std::vector{alice});
}

TEST_F(UnknownProxy, is_not_believed_beside_a_connection_whose_side_is_not_known) {
  scene.connection(kNginx, Role::kUnknown, tcp("10.0.0.1", 8443), tcp("203.0.113.9", 40001));
  EXPECT_EQ(ask([] {}).confidence, Confidence::kOneOf);
}

TEST_F(UnknownProxy, is_believed_request_by_request) {
  ask([] {});
  scene.out = {};
  EXPECT_EQ(ask([] {}).method, "request+response");
}

TEST(Soundness, whether_tls_accepted_is_not_claimed_where_what_told_may_be_lost) {
  Scene scene;
  const ConnectionId id = scene.tls_client(40000);
  HandshakeStep waiting = scene.step_of(id, -1);
  waiting.receive_result = -EAGAIN;
  scene.give(waiting);
  scene.give(RecordsLost{scene.now_ns, scene.now_ns + 5, 3});
  scene.now_ns += 5;
  scene.give(ConnectionClosed{++scene.now_ns, id, Ending::kPeer});
  scene.pass(SessionTracker::kAfterCloseNs);
  EXPECT_EQ(scene.out.handshakes.at(0).reason, "event_loss");
  EXPECT_EQ(scene.out.handshakes.at(0).session.tls_accepted, std::nullopt);
}

}  // namespace
}  // namespace mtlswatch
