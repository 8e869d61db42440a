// SPDX-License-Identifier: Apache-2.0
// The symbol witness: what a proxy's own functions say about whose request goes upstream, and when it is believed.
#include "tests/unit/builders/scene.h"

namespace mtlswatch {
namespace {

/// A proxy that queues, of which alice and bob are clients with a request under way.
class Streams : public testing::Test {
 protected:
  Streams() {
    scene.make_proxy_unknown();
    session_ns = ++scene.now_ns;
    alice = scene.verified_client(40000, "alice");
    bob_session_ns = ++scene.now_ns;
    bob = scene.client_without_certificate(40001);
    scene.receive(alice, 2, 300);
    scene.receive(bob, 2, 300);
  }

  StreamTied tied(ConnectionId upstream, ConnectionId client, ConnectionId received) {
    return {++scene.now_ns, {kNginx, kNginx}, upstream, client, received, 300, client == bob ? bob_session_ns : session_ns, false};
  }

  /// A request of alice's that goes upstream while bob was read from last. answered: who is answered right after.
  void ask(std::uint16_t port, StreamTied tie, ConnectionId answered = 0) {
    const auto [upstream, backend] = scene.upstream(port);
    tie.id = upstream;
    if (tie.ingress != 0) scene.give(tie);
    scene.send(upstream, 1, 7000, Witness{bob, 2, 300});
    scene.request(backend, 7000);
    scene.response(backend);
    if (answered != 0) scene.send(answered, 2, 900, Witness{upstream, 1, 1});
    scene.give(ConnectionClosed{++scene.now_ns, upstream});
  }
  void ask(std::uint16_t port) { ask(port, tied(0, alice, alice)); }

  void earn_trust() {
    for (std::uint16_t port = 6000; port < 6000 + StreamTies::kAgreements; ++port) ask(port);
    scene.pass(2'100 * kMs);
    scene.out = {};
  }

  const Attribution& attribution() { return scene.settled().provenance.attribution; }
  /// Of the only request, once nothing more is waited for.
  std::string method() {
    scene.pass(2'100 * kMs);
    return attribution().method;
  }

  Scene scene;
  ConnectionId alice = 0, bob = 0;
  std::uint64_t session_ns = 0, bob_session_ns = 0;
};

TEST_F(Streams, two_agreeing_witnesses_on_the_sockets_are_no_proof_in_a_proxy_that_may_queue) {
  ask(5000, {}, bob);
  EXPECT_EQ(attribution().method, "candidates");
  EXPECT_EQ(attribution().confidence, Confidence::kOneOf);
  EXPECT_EQ(attribution().candidates, 2u);
}

TEST_F(Streams, a_trusted_process_says_whose_request_it_is) {
  earn_trust();
  ask(5000);
  EXPECT_EQ(attribution().method, "symbol");
  EXPECT_EQ(attribution().confidence, Confidence::kExact);
  EXPECT_EQ(scene.settled().provenance.origins.at(0).id, alice);
}

TEST_F(Streams, a_process_is_not_believed_before_it_has_agreed_with_the_sockets) {
  ask(5000);
  EXPECT_TRUE(scene.out.exchanges.empty()) << "it may prove itself while this one waits";
  EXPECT_EQ(method(), "candidates");
}

TEST_F(Streams, requests_that_wait_are_exact_as_soon_as_their_process_proves_itself) {
  ask(5000);
  for (std::uint16_t port = 6000; port < 6000 + StreamTies::kAgreements; ++port) ask(port);
  ASSERT_EQ(scene.out.exchanges.size(), StreamTies::kAgreements + 1);
  for (const SettledExchange& exchange : scene.out.exchanges) EXPECT_EQ(exchange.provenance.attribution.method, "symbol");
}

TEST_F(Streams, it_is_believed_at_once_where_both_sockets_say_the_same) {
  ask(5000, tied(0, bob, bob), bob);
  EXPECT_EQ(attribution().method, "symbol");
  EXPECT_EQ(scene.settled().provenance.origins.at(0).id, bob);
}

TEST_F(Streams, agreement_is_no_merit_where_nobody_else_is_served) {
  scene.give(ConnectionClosed{++scene.now_ns, bob});
  earn_trust();
  ask(5000);
  EXPECT_EQ(method(), "candidates");
}

TEST_F(Streams, answers_to_others_than_the_tied_client_take_the_trust_away) {
  earn_trust();
  for (std::uint16_t port = 6100; port < 6100 + StreamTies::kAgreements; ++port) ask(port, tied(0, alice, 0), bob);
  scene.pass(2'100 * kMs);
  scene.out = {};
  ask(5000);
  EXPECT_EQ(method(), "candidates");
}

TEST_F(Streams, later_streams_that_come_after_another_client_take_the_trust_away) {
  earn_trust();
  for (std::uint16_t port = 6100; port < 6100 + StreamTies::kAgreements; ++port) ask(port, tied(0, alice, bob));
  scene.pass(2'100 * kMs);
  scene.out = {};
  ask(5000);
  EXPECT_EQ(method(), "candidates");
}

TEST_F(Streams, a_pipelined_request_speaks_neither_for_nor_against) {
  earn_trust();
  const auto [upstream, backend] = scene.upstream(4999);
  for (std::uint16_t port = 6100; port < 6150; ++port) ask(port, tied(0, alice, upstream));
  scene.out = {};
  ask(5000);
  EXPECT_EQ(attribution().method, "symbol");
}

TEST_F(Streams, one_connection_with_two_sessions_is_impossible_and_ends_all_trust) {
  earn_trust();
  StreamTied impossible = tied(0, alice, alice);
  impossible.session_started_ns += 1;
  scene.give(impossible);
  ask(5000, tied(0, alice, alice), alice);
  EXPECT_EQ(method(), "candidates");
}

TEST_F(Streams, a_connection_that_was_heard_of_before_the_session_began_is_not_its_client) {
  earn_trust();
  const ConnectionId older = scene.verified_client(40002, "carol");
  StreamTied tie = tied(0, older, older);
  tie.session_started_ns = ++scene.now_ns;
  ask(5000, tie);
  EXPECT_EQ(method(), "candidates");
}

TEST_F(Streams, a_connection_that_is_no_clients_is_no_client) {
  earn_trust();
  const auto [upstream, backend] = scene.upstream(4999);
  ask(5000, tied(0, upstream, upstream));
  EXPECT_EQ(method(), "candidates");
}

TEST_F(Streams, a_tie_is_for_one_turn) {
  earn_trust();
  const auto [upstream, backend] = scene.upstream(5000);
  scene.give(tied(upstream, alice, alice));
  scene.send(upstream, 1, 7000, Witness{});
  scene.send(upstream, 2, 8000, Witness{});
  scene.request(backend, 8000);
  scene.response(backend);
  EXPECT_EQ(method(), "candidates");
}

TEST_F(Streams, a_later_tie_replaces_one_that_was_never_used) {
  earn_trust();
  const auto [upstream, backend] = scene.upstream(5000);
  scene.give(tied(upstream, alice, alice));
  StreamTied nobodys = tied(upstream, 0, alice);
  scene.give(nobodys);
  scene.send(upstream, 1, 7000, Witness{});
  scene.request(backend, 7000);
  scene.response(backend);
  EXPECT_EQ(method(), "candidates");
}

TEST_F(Streams, lost_records_may_have_replaced_a_tie) {
  earn_trust();
  const auto [upstream, backend] = scene.upstream(5000);
  scene.give(tied(upstream, alice, alice));
  scene.give(RecordsLost{scene.now_ns, scene.now_ns, 1});
  scene.send(upstream, 1, 7000, Witness{});
  scene.request(backend, 7000);
  scene.response(backend);
  EXPECT_EQ(method(), "candidates");
}

TEST_F(Streams, plaintext_without_the_place_of_the_request_cannot_be_followed_outwards) {
  earn_trust();
  const std::uint64_t began_ns = ++scene.now_ns;
  const ConnectionId plain = scene.plaintext_client(40003);
  StreamTied tie = tied(0, plain, 0);
  tie.session_started_ns = began_ns;
  ask(5000, tie);
  EXPECT_EQ(method(), "candidates");
}

TEST_F(Streams, what_a_process_has_shown_of_itself_is_told) {
  ProcessFacts haproxy;
  haproxy.pid = kNginx;
  haproxy.front = true;
  haproxy.known_proxy = "haproxy";
  EXPECT_EQ(scene.correlator.trust(kNginx).state, "one at a time");
  haproxy.stream_witness = "none: stream_new: not in this file";
  scene.give(ProcessKnown{haproxy});
  EXPECT_EQ(scene.correlator.trust(kNginx).state, "one at a time");
  haproxy.stream_witness = "symbol: 7 probes";
  scene.give(ProcessKnown{haproxy});
  EXPECT_EQ(scene.correlator.trust(kNginx).state, "not yet");
  earn_trust();
  EXPECT_EQ(scene.correlator.trust(kNginx).state, "believed");
  EXPECT_EQ(scene.correlator.trust(kNginx).agreements, StreamTies::kAgreements);
  for (std::uint16_t port = 6100; port < 6100 + StreamTies::kAgreements; ++port) ask(port, tied(0, alice, bob));
  EXPECT_EQ(scene.correlator.trust(kNginx).state, "contradicted");
  EXPECT_EQ(scene.correlator.trust(kNginx).contradictions, StreamTies::kAgreements);
}

// HAProxy says of clients' requests whose they are, and nothing of its health checks.
TEST_F(Streams, what_haproxy_says_nothing_of_may_be_its_own_request) {
  ProcessFacts haproxy;
  haproxy.pid = kNginx;
  haproxy.front = true;
  haproxy.known_proxy = "haproxy";
  scene.give(ProcessKnown{haproxy});
  ask(5000, {});
  EXPECT_EQ(method(), "candidates");
  EXPECT_TRUE(scene.settled().provenance.may_be_proxys_own);
  scene.out = {};
  ask(5001);  // a tie that is not believed yet
  EXPECT_EQ(method(), "candidates");
  EXPECT_FALSE(scene.settled().provenance.may_be_proxys_own);
}

TEST_F(Streams, what_is_known_of_programs_is_told) {
  const auto state = [&](const char* known_proxy) {
    ProcessFacts process;
    process.pid = kNginx;
    process.known_proxy = known_proxy;
    scene.give(ProcessKnown{process});
    return scene.correlator.trust(kNginx).state;
  };
  EXPECT_EQ(state("nginx"), "proof");
  EXPECT_EQ(state(""), "one at a time");
  EXPECT_EQ(state("varnish"), "none");
  scene.make_proxy_unknown("blind");
  EXPECT_EQ(scene.correlator.trust(kNginx).state, "none");
}

TEST_F(Streams, trust_ends_with_the_process) {
  earn_trust();
  scene.give(ProcessChange{++scene.now_ns, kNginx, ProcessChangeKind::kExit, 0, true});
  scene.make_proxy_unknown();
  ask(5000);
  EXPECT_EQ(method(), "candidates");
}

}  // namespace
}  // namespace mtlswatch
