// SPDX-License-Identifier: Apache-2.0
// The symbol witness of nginx: when it is believed, and where it is worth its cost.
#include "tests/unit/builders/scene.h"

namespace mtlswatch {
namespace {

/// nginx, where the witness is on demand and names the client by its socket. Both clients speak HTTP/2.
class StreamsOfNginx : public testing::Test {
 protected:
  StreamsOfNginx() {
    ClientHello hello;
    hello.alpn = {"h2"};
    alice = scene.client_without_certificate(40000, hello);
    bob = scene.client_without_certificate(40001, hello);
    scene.receive(alice, 2, 300);
    scene.receive(bob, 2, 300);
  }

  /// A request of alice's that goes upstream while bob was read from last. Returns nginx's end of that connection.
  ConnectionId send_on(std::uint16_t port) {
    const auto [upstream, backend] = scene.upstream(port);
    StreamTied tied{++scene.now_ns, {kNginx, kNginx}, upstream, alice, bob, 300, 0, false};
    tied.by_socket = true;
    scene.give(tied);
    scene.send(upstream, 1, 7000, Witness{bob, 2, 300});
    scene.request(backend, 7000);
    scene.response(backend);
    return upstream;
  }
  void ask(std::uint16_t port, bool is_answered) {
    const ConnectionId upstream = send_on(port);
    if (is_answered) scene.send_more(alice, Witness{upstream, 1, 1});
    scene.give(ConnectionClosed{++scene.now_ns, upstream});
  }
  void earn_trust() {
    for (std::uint16_t port = 6000; port < 6000 + StreamTies::kAgreements; ++port) ask(port, true);
    scene.pass(2'100 * kMs);
    scene.out = {};
  }

  Scene scene;
  ConnectionId alice = 0, bob = 0;
};

TEST_F(StreamsOfNginx, tell_who_asked_though_the_answer_is_kept_back) {
  earn_trust();
  ask(5000, false);
  scene.pass(2'100 * kMs);
  EXPECT_EQ(scene.settled().provenance.attribution.method, "symbol");
  ASSERT_EQ(scene.settled().provenance.origins.size(), 1u);
  EXPECT_EQ(scene.settled().provenance.origins[0].id, alice);
}

TEST_F(StreamsOfNginx, are_not_believed_before_they_have_agreed_with_the_sockets) {
  ask(5000, false);
  scene.pass(2'100 * kMs);
  EXPECT_EQ(scene.settled().provenance.attribution.method, "candidates");
}

// A timer sends alice's delayed request on when bob has just been read from, and another one sends to bob next.
TEST_F(StreamsOfNginx, speak_against_sockets_that_agree_before_they_are_believed_themselves) {
  const ConnectionId upstream = send_on(5000);
  scene.send(bob, 2, 900, Witness{upstream, 1, 1});
  EXPECT_EQ(scene.candidates(), (std::vector{alice, bob}));
}

TEST_F(StreamsOfNginx, are_wanted_for_a_while_where_clients_speak_http2) {
  EXPECT_EQ(scene.correlator.in_need_of_witness(), std::set{kNginx}) << "since they shook hands";
  scene.pass(Witnesses::kNeedNs + 1'100 * kMs);
  EXPECT_TRUE(scene.correlator.in_need_of_witness().empty());
  ask(5000, true);
  EXPECT_EQ(scene.correlator.in_need_of_witness(), std::set{kNginx});
  scene.pass(Witnesses::kNeedNs + 1'100 * kMs);
  EXPECT_TRUE(scene.correlator.in_need_of_witness().empty());
}

TEST(StreamsOnDemand, are_not_wanted_where_the_sockets_tell) {
  Scene scene;
  ClientHello hello;
  hello.alpn = {"http/1.1"};
  const ConnectionId alice = scene.client_without_certificate(40000, hello);
  scene.receive(alice, 2, 300);
  const auto [upstream, backend] = scene.ask_from(Witness{alice, 2, 300});
  scene.send(alice, 2, 900, Witness{upstream, 1, 1});
  scene.pass(2'100 * kMs);
  EXPECT_EQ(scene.settled().provenance.attribution.method, "request+response");
  EXPECT_TRUE(scene.correlator.in_need_of_witness().empty());
}

}  // namespace
}  // namespace mtlswatch
