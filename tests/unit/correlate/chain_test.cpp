// SPDX-License-Identifier: Apache-2.0
// Ways through more than one process before nginx: relays, other fronts, strangers.
#include "tests/unit/builders/scene.h"

namespace mtlswatch {
namespace {

constexpr std::uint32_t kOuter = 11;

class Chain : public testing::Test {
 protected:
  void outer(bool front, const char* known_proxy = "", bool listens = true) {
    ProcessFacts facts;
    facts.pid = kOuter;
    facts.front = front;
    facts.known_proxy = known_proxy;
    if (listens) facts.listeners = {tcp("10.0.0.1", 8443)};
    scene.give(ProcessKnown{facts});
  }

  static ClientHello hello(std::uint8_t random) {
    ClientHello hello;
    hello.random.fill(random);
    return hello;
  }

  void speaks_tls(ConnectionId id, std::uint8_t random) {
    scene.give(ConnectionBegan{++scene.now_ns, id, FirstBytes::kTls});
    scene.give(ClientHelloSeen{scene.now_ns, id, hello(random)});
  }

  void shakes_hands(std::uint32_t pid, ConnectionId id, const std::string& name) {
    const Actor actor{pid, pid};
    if (!name.empty()) scene.give(PeerCertificate{++scene.now_ns, actor, id, 1, 0, leaf(name)});
    HandshakeStep step;
    step.time_ns = ++scene.now_ns;
    step.actor = actor;
    step.id = id;
    step.result = 1;
    step.certificates = name.empty() ? 0 : 1;
    if (!name.empty()) step.verify_code = 0;
    scene.give(step);
  }

  /// A client of the outer process, and that one's connection to nginx: outside, dialled, inside.
  struct Leg {
    ConnectionId outside, dialled, inside;
  };
  Leg leg(std::uint16_t client = 40000, std::uint16_t port = 6000) {
    const ConnectionId outside = scene.connection(kOuter, Role::kIngress, tcp("10.0.0.1", 8443), tcp("203.0.113.9", client));
    const ConnectionId dialled = scene.connection(kOuter, Role::kEgress, tcp("127.0.0.1", port), tcp("127.0.0.1", 443));
    const ConnectionId inside = scene.connection(kNginx, Role::kIngress, tcp("127.0.0.1", 443), tcp("127.0.0.1", port));
    return {outside, dialled, inside};
  }

  /// The outer process hands on what it received, and brings the answer back.
  void pass_on(const Leg& leg, bool answer = true) {
    scene.give(scene.turn(kOuter, leg.outside, false, 2, 77));
    Turn sent = scene.turn(kOuter, leg.dialled, true, 1, 300);
    sent.witness = {leg.outside, 2, 77};
    scene.give(sent);
    if (!answer) return;
    Turn back = scene.turn(kOuter, leg.outside, true, 2, 990);
    back.witness = {leg.dialled, 1, 1};
    scene.give(back);
  }

  /// nginx hands on the request that it received inside, and Django answers it.
  const SettledExchange& ask(ConnectionId inside) {
    const auto [upstream, backend] = scene.upstream(5000);
    scene.receive(inside, 2, 300);
    scene.send(upstream, 1, 7000, Witness{inside, 2, 300});
    scene.request(backend, 7000);
    scene.response(backend);
    scene.send(inside, 2, 900, Witness{upstream, 1, 1});
    scene.pass(2'100 * kMs);
    return scene.settled();
  }

  Scene scene;
};

TEST_F(Chain, a_relay_of_tls_is_a_hop_and_the_session_inside_the_origin) {
  outer(false);
  const Leg way = leg();
  speaks_tls(way.outside, 7);
  speaks_tls(way.inside, 7);
  shakes_hands(kNginx, way.inside, "alice");
  const Provenance& provenance = ask(way.inside).provenance;
  ASSERT_EQ(provenance.hops.size(), 2u);
  EXPECT_EQ(provenance.hops[0].process->pid, kOuter) << "outermost first";
  EXPECT_EQ(provenance.hops[0].evidence, "client hello");
  ASSERT_EQ(provenance.origins.size(), 1u);
  EXPECT_EQ(provenance.origins[0].source.port, 40000);
  EXPECT_EQ(provenance.origins[0].destination.port, 8443);
  EXPECT_EQ(provenance.origins[0].session.state, SessionState::kEstablished);
  EXPECT_FALSE(provenance.origins[0].may_be_a_fronts_own);
}

TEST_F(Chain, a_relays_client_shakes_hands_once) {
  outer(true);
  const Leg way = leg();
  speaks_tls(way.outside, 7);
  speaks_tls(way.inside, 7);
  shakes_hands(kNginx, way.inside, "alice");
  scene.give(ConnectionClosed{++scene.now_ns, way.outside});
  EXPECT_EQ(scene.out.handshakes.size(), 1u);
}

TEST_F(Chain, a_copied_client_random_names_nobody) {
  outer(false);
  const Leg alices = leg(40000, 6000), mallorys = leg(40001, 6001);
  for (const ConnectionId id : {alices.outside, mallorys.outside, alices.inside}) speaks_tls(id, 7);
  shakes_hands(kNginx, alices.inside, "alice");
  const Provenance& provenance = ask(alices.inside).provenance;
  EXPECT_EQ(provenance.hops.size(), 1u);
  EXPECT_EQ(provenance.origins.at(0).source.port, 6000) << "as nginx sees it";
}

TEST_F(Chain, a_front_that_may_have_opened_the_session_itself_leaves_the_origin_open) {
  outer(true);
  const Leg way = leg();
  speaks_tls(way.outside, 1);
  speaks_tls(way.inside, 2);
  shakes_hands(kNginx, way.inside, "front");
  EXPECT_TRUE(ask(way.inside).provenance.origins.at(0).may_be_a_fronts_own);
}

TEST_F(Chain, a_front_that_opened_the_session_itself_speaks_for_its_client) {
  outer(true);
  const Leg way = leg();
  speaks_tls(way.outside, 1);
  shakes_hands(kOuter, way.outside, "");
  shakes_hands(kOuter, way.dialled, "nginx");  // as a client: what it is shown is nginx's
  speaks_tls(way.inside, 2);
  shakes_hands(kNginx, way.inside, "front");
  pass_on(way);
  const Provenance& provenance = ask(way.inside).provenance;
  ASSERT_EQ(provenance.origins.size(), 1u);
  EXPECT_EQ(provenance.origins[0].id, way.outside);
  EXPECT_EQ(provenance.hops.size(), 2u);
}

TEST_F(Chain, a_process_that_is_no_front_speaks_for_itself_over_tls) {
  outer(false);
  const Leg way = leg();
  speaks_tls(way.outside, 1);
  shakes_hands(kOuter, way.dialled, "nginx");
  speaks_tls(way.inside, 2);
  shakes_hands(kNginx, way.inside, "robot");
  const Provenance& provenance = ask(way.inside).provenance;
  EXPECT_EQ(provenance.origins.at(0).id, way.inside);
  EXPECT_FALSE(provenance.origins.at(0).may_be_a_fronts_own);
  EXPECT_FALSE(provenance.through_stranger);
}

TEST_F(Chain, a_strangers_verified_client_behind_a_plaintext_door_is_told_as_the_strangers) {
  outer(false);
  const Leg way = leg();
  speaks_tls(way.outside, 1);
  shakes_hands(kOuter, way.outside, "alice");
  scene.give(ConnectionBegan{++scene.now_ns, way.inside, FirstBytes::kHttp1});
  pass_on(way);
  const Provenance& provenance = ask(way.inside).provenance;
  EXPECT_TRUE(provenance.through_stranger);
  EXPECT_EQ(provenance.origins.at(0).id, way.outside);
}

TEST_F(Chain, a_local_client_of_a_plaintext_door_is_the_origin) {
  outer(false, "", false);
  const Leg way = leg();
  scene.give(ConnectionBegan{++scene.now_ns, way.inside, FirstBytes::kHttp1});
  scene.give(ConnectionClosed{++scene.now_ns, way.outside});
  Turn sent = scene.turn(kOuter, way.dialled, true, 1, 300);
  scene.give(sent);
  const Provenance& provenance = ask(way.inside).provenance;
  EXPECT_FALSE(provenance.through_stranger);
  EXPECT_EQ(provenance.origins.at(0).id, way.inside);
}

TEST_F(Chain, a_relay_that_cannot_be_followed_hides_its_clients) {
  outer(false, "relay");
  const Leg way = leg();
  scene.give(ConnectionBegan{++scene.now_ns, way.inside, FirstBytes::kHttp1});
  scene.give(ConnectionClosed{++scene.now_ns, way.outside});
  scene.give(scene.turn(kOuter, way.dialled, true, 1, 300));
  const Provenance& provenance = ask(way.inside).provenance;
  EXPECT_TRUE(provenance.through_stranger);
  EXPECT_TRUE(provenance.origins.empty());
}

TEST_F(Chain, candidates_behind_another_front_stand_for_its_clients) {
  outer(true);
  scene.make_proxy_unknown();
  const Leg way = leg();
  speaks_tls(way.outside, 1);
  shakes_hands(kOuter, way.outside, "alice");
  scene.give(ConnectionBegan{++scene.now_ns, way.inside, FirstBytes::kHttp1});
  pass_on(way);
  const auto [upstream, backend] = scene.upstream(5000);
  scene.receive(way.inside, 2, 300);
  scene.send(upstream, 1, 7000, {});
  scene.request(backend, 7000);
  scene.response(backend);
  scene.pass(2'100 * kMs);
  const Provenance& provenance = scene.settled().provenance;
  EXPECT_EQ(provenance.attribution.method, "candidates");
  ASSERT_EQ(provenance.origins.size(), 1u);
  EXPECT_EQ(provenance.origins[0].id, way.outside);
}

TEST_F(Chain, a_loop_ends) {
  const ConnectionId dialled = scene.connection(kNginx, Role::kEgress, tcp("127.0.0.1", 6000), tcp("127.0.0.1", 80));
  const ConnectionId inside = scene.connection(kNginx, Role::kIngress, tcp("127.0.0.1", 80), tcp("127.0.0.1", 6000));
  scene.give(ConnectionBegan{++scene.now_ns, inside, FirstBytes::kHttp1});
  scene.send(dialled, 1, 300, Witness{inside, 2, 300});
  scene.send(inside, 1, 1, Witness{dialled, 1, 1});
  const Provenance& provenance = ask(inside).provenance;
  EXPECT_LE(provenance.hops.size(), static_cast<std::size_t>(ProvenanceTracer::kMostHops));
  EXPECT_GE(provenance.hops.size(), 2u);
}

}  // namespace
}  // namespace mtlswatch
