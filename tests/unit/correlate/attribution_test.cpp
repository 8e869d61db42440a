// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/builders/scene.h"

namespace mtlswatch {
namespace {

// One request of client D over upstream U to backend connection B, up to Django's response.
struct Exchange {
  ConnectionId upstream, backend;
};

Exchange ask(Scene& scene, ConnectionId client, std::uint64_t position, std::uint16_t port = 5000) {
  const auto [upstream, backend] = scene.upstream(port);
  scene.receive(client, 2, 300);
  scene.send(upstream, 1, position, Witness{client, 2, 300});
  scene.request(backend, position);
  scene.response(backend);
  return {upstream, backend};
}

TEST(Attribution, two_agreeing_witnesses_are_exact) {
  Scene scene;
  const ConnectionId alice = scene.verified_client(40000, "alice");
  const Exchange exchange = ask(scene, alice, 7000);
  EXPECT_TRUE(scene.out.exchanges.empty()) << "the response witness may still come";
  scene.send(alice, 2, 900, Witness{exchange.upstream, 1, 1});
  const Provenance& way = scene.settled().provenance;
  EXPECT_EQ(way.attribution.method, "request+response");
  EXPECT_EQ(way.attribution.confidence, Confidence::kExact);
  ASSERT_EQ(way.origins.size(), 1u);
  EXPECT_EQ(way.origins[0].id, alice);
  EXPECT_EQ(way.origins[0].source.port, 40000);
}

TEST(Attribution, without_a_response_witness_every_open_client_is_a_candidate) {
  Scene scene;
  const ConnectionId alice = scene.verified_client(40000, "alice");
  const ConnectionId nobody = scene.client_without_certificate(40001);
  scene.receive(nobody, 2, 10);
  ask(scene, alice, 7000);
  scene.pass(2'100 * kMs);
  const Provenance& way = scene.settled().provenance;
  EXPECT_EQ(way.attribution.method, "candidates");
  EXPECT_EQ(way.attribution.candidates, 2u);
  EXPECT_NE(way.attribution.confidence, Confidence::kExact);
}

TEST(Attribution, a_client_that_shook_hands_later_is_no_candidate) {
  Scene scene;
  const ConnectionId alice = scene.verified_client(40000, "alice");
  ask(scene, alice, 7000);
  scene.verified_client(40001, "late");
  scene.pass(2'100 * kMs);
  EXPECT_EQ(scene.settled().provenance.attribution.candidates, 1u);
}

TEST(Attribution, in_nginx_the_response_witness_outweighs_a_delayed_request) {
  Scene scene;
  const ConnectionId alice = scene.verified_client(40000, "alice");
  const ConnectionId bob = scene.verified_client(40001, "bob");
  scene.receive(bob, 2, 300);
  scene.send(bob, 2, 900, {});  // he has his answer
  scene.receive(alice, 2, 300);
  const auto [upstream, backend] = scene.upstream(5000);
  scene.send(upstream, 1, 7000, Witness{bob, 2, 300});  // a timer fired after bob was read from
  scene.request(backend, 7000);
  scene.response(backend);
  scene.send(alice, 2, 900, Witness{upstream, 1, 1});
  EXPECT_TRUE(scene.out.exchanges.empty()) << "somebody else may yet be answered";
  scene.pass(2'100 * kMs);
  const Provenance& way = scene.settled().provenance;
  EXPECT_EQ(way.attribution.method, "response");
  EXPECT_EQ(way.origins.at(0).id, alice);
}

TEST(Attribution, a_client_that_withholds_reads_takes_the_lone_response_witness_its_force) {
  Scene scene;
  const ConnectionId alice = scene.verified_client(40000, "alice");
  const ConnectionId mallory = scene.client_without_certificate(40001);
  Turn blocked = scene.turn(kNginx, mallory, true, 1, 50);
  blocked.blocked = true;
  scene.give(blocked);
  scene.receive(alice, 2, 300);
  scene.receive(mallory, 2, 300);
  const auto [upstream, backend] = scene.upstream(5000);
  scene.send(upstream, 1, 7000, Witness{mallory, 2, 300});
  scene.request(backend, 7000);
  scene.response(backend);
  scene.send(alice, 2, 900, Witness{upstream, 1, 1});  // alice's own timer, not mallory's response
  scene.pass(2'100 * kMs);
  const Provenance& way = scene.settled().provenance;
  EXPECT_EQ(way.attribution.method, "candidates");
  EXPECT_EQ(way.attribution.candidates, 2u);
}

TEST(Attribution, a_send_that_goes_on_after_a_blocked_one_is_no_witness) {
  Scene scene;
  const ConnectionId alice = scene.verified_client(40000, "alice");
  const ConnectionId mallory = scene.client_without_certificate(40001);
  scene.receive(mallory, 2, 300);
  const Exchange exchange = ask(scene, mallory, 7000);
  Turn late = scene.turn(kNginx, alice, true, 3, 950);
  late.resumed = true;
  late.witness = Witness{exchange.upstream, 1, 1};
  scene.give(late);
  scene.pass(2'100 * kMs);
  EXPECT_EQ(scene.settled().provenance.attribution.method, "candidates");
}

TEST(Attribution, a_proxy_whose_tls_cannot_be_seen_is_not_believed_though_its_witnesses_agree) {
  Scene scene;
  scene.make_proxy_unknown("blind");
  const ConnectionId alice = scene.verified_client(40000, "alice");
  const Exchange exchange = ask(scene, alice, 7000);
  scene.send(alice, 2, 900, Witness{exchange.upstream, 1, 1});
  EXPECT_EQ(scene.settled().provenance.attribution.method, "candidates");
}

TEST(Attribution, a_client_whose_handshake_was_never_seen_is_a_candidate_even_after_it_has_closed) {
  Scene scene;
  scene.make_proxy_unknown("blind");
  const ConnectionId somebody = scene.tls_client(40000);
  ask(scene, somebody, 7000);
  scene.give(ConnectionClosed{++scene.now_ns, somebody});
  scene.pass(2'100 * kMs);
  EXPECT_EQ(scene.settled().provenance.attribution.candidates, 1u);
}

TEST(Attribution, the_upstream_record_may_come_after_the_backends) {
  Scene scene;
  const ConnectionId alice = scene.verified_client(40000, "alice");
  const auto [upstream, backend] = scene.upstream(5000);
  scene.receive(alice, 2, 300);
  scene.request(backend, 7000);
  scene.response(backend);
  EXPECT_TRUE(scene.out.exchanges.empty());
  scene.send(upstream, 1, 7000, Witness{alice, 2, 300});
  scene.send(alice, 2, 900, Witness{upstream, 1, 1});
  EXPECT_EQ(scene.settled().provenance.attribution.confidence, Confidence::kExact);
}

TEST(Attribution, a_plaintext_client_that_is_itself_a_front_is_followed_outwards) {
  Scene scene;
  ProcessFacts stunnel;
  stunnel.pid = 11;
  stunnel.front = true;
  stunnel.known_proxy = "stunnel";
  scene.give(ProcessKnown{stunnel});
  ConnectionId outer = scene.connection(11, Role::kIngress, tcp("10.0.0.1", 8443), tcp("203.0.113.9", 40000));
  scene.give(ConnectionBegan{++scene.now_ns, outer, FirstBytes::kTls});
  scene.give(ClientHelloSeen{scene.now_ns, outer, {}});
  scene.give(PeerCertificate{scene.now_ns, {11, 11}, outer, 1, 0, leaf("alice")});
  HandshakeStep step;
  step.time_ns = ++scene.now_ns;
  step.actor = {11, 11};
  step.id = outer;
  step.result = 1;
  step.verify_code = 0;
  step.certificates = 1;
  scene.give(step);
  const ConnectionId dialled = scene.connection(11, Role::kEgress, tcp("127.0.0.1", 6000), tcp("127.0.0.1", 80));
  const ConnectionId inner = scene.connection(kNginx, Role::kIngress, tcp("127.0.0.1", 80), tcp("127.0.0.1", 6000));
  Turn relay = scene.turn(11, dialled, true, 1, 300);
  relay.witness = Witness{outer, 2, 77};
  scene.give(scene.turn(11, outer, false, 2, 77));
  scene.give(relay);
  scene.give(ConnectionBegan{++scene.now_ns, inner, FirstBytes::kHttp1});
  const Exchange exchange = ask(scene, inner, 7000);
  scene.send(inner, 2, 900, Witness{exchange.upstream, 1, 1});
  Turn back = scene.turn(11, outer, true, 2, 990);
  back.witness = Witness{dialled, 1, 1};
  scene.give(back);
  scene.pass(2'100 * kMs);
  const Provenance& way = scene.settled().provenance;
  ASSERT_EQ(way.hops.size(), 2u);
  EXPECT_EQ(way.hops[0].process->pid, 11u) << "outermost first";
  EXPECT_EQ(way.hops[1].process->pid, kNginx);
  ASSERT_EQ(way.origins.size(), 1u);
  EXPECT_EQ(way.origins[0].id, outer);
}

TEST(Attribution, a_program_that_hands_requests_from_thread_to_thread_has_no_witnesses) {
  Scene scene;
  ProcessFacts varnish;
  varnish.pid = kNginx;
  varnish.front = true;
  varnish.known_proxy = "varnish";
  scene.give(ProcessKnown{varnish});
  const ConnectionId alice = scene.verified_client(40000, "alice");
  const Exchange exchange = ask(scene, alice, 7000);
  scene.send(alice, 2, 900, Witness{exchange.upstream, 1, 1});
  scene.pass(2'100 * kMs);
  EXPECT_EQ(scene.settled().provenance.attribution.method, "candidates");
}

}  // namespace
}  // namespace mtlswatch
