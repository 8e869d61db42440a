// SPDX-License-Identifier: Apache-2.0
// Backends that end TLS themselves: what can be said without reading a request.
#include <tuple>

#include "tests/unit/builders/scene.h"

namespace mtlswatch {
namespace {

class EncryptedBackend : public testing::Test {
 protected:
  EncryptedBackend() {
    std::tie(upstream, backend) = scene.upstream(5000);
    scene.give(ConnectionBegan{++scene.now_ns, backend, FirstBytes::kTls});
  }

  void turn(bool is_send, std::uint64_t position) { scene.give(scene.turn(kDjango, backend, is_send, ++ordinal, position)); }

  void request(std::uint64_t position, bool may_be_handshake = false) {
    RequestSeen seen;
    seen.time_ns = ++scene.now_ns;
    seen.actor = {kDjango, kDjango};
    seen.id = backend;
    seen.position = position;
    seen.may_be_handshake = may_be_handshake;
    seen.head.state = HeadState::kEncrypted;
    scene.give(seen);
  }

  void response() {
    ResponseSeen seen{++scene.now_ns, {kDjango, kDjango}, backend, 0, true};
    seen.encrypted = true;
    scene.give(seen);
  }

  void step(HandshakeDriver driver, int result, std::optional<int> reason = std::nullopt) {
    HandshakeStep step;
    step.time_ns = ++scene.now_ns;
    step.actor = {kDjango, kDjango};
    step.id = backend;
    step.result = result;
    step.driver = driver;
    step.reason = reason;
    scene.give(step);
  }

  void shake_hands() { step(HandshakeDriver::kHandshake, 1); }

  void plaintext(HeadState state) {
    RequestSeen seen;
    seen.time_ns = ++scene.now_ns;
    seen.actor = {kDjango, kDjango};
    seen.id = backend;
    seen.head.state = state;
    scene.give(seen);
  }

  Scene scene;
  ConnectionId upstream = 0, backend = 0;
  std::uint64_t ordinal = 0;
};

TEST_F(EncryptedBackend, nothing_of_a_handshake_is_a_request_or_a_response) {
  turn(false, 7000);
  response();
  turn(false, 7300);
  request(7306, true);
  response();
  shake_hands();
  scene.pass(12'000 * kMs);
  EXPECT_TRUE(scene.out.exchanges.empty());
}

TEST_F(EncryptedBackend, a_request_in_one_piece_with_the_handshakes_end_is_told_once_data_came_out_of_it) {
  turn(false, 7300);
  request(7306, true);
  request(7400, true);
  shake_hands();
  step(HandshakeDriver::kRead, 1);
  step(HandshakeDriver::kRead, 1);
  response();
  scene.pass(12'000 * kMs);
  ASSERT_EQ(scene.out.exchanges.size(), 1u);
  EXPECT_EQ(scene.settled().request.position, 7400u);
}

TEST_F(EncryptedBackend, data_that_comes_out_in_a_later_turn_is_that_turns_request) {
  turn(false, 7300);
  request(7306, true);
  shake_hands();
  turn(true, 1);
  turn(false, 7400);
  request(7400);
  step(HandshakeDriver::kRead, 1);
  response();
  scene.pass(12'000 * kMs);
  EXPECT_EQ(scene.out.exchanges.size(), 1u);
}

TEST_F(EncryptedBackend, what_failed_as_tls_was_no_request) {
  for (const HeadState state : {HeadState::kComplete, HeadState::kInvalid}) {
    plaintext(state);
    step(HandshakeDriver::kHandshake, -1, 156);  // SSL_R_HTTP_REQUEST
    scene.give(ResponseSeen{++scene.now_ns, {kDjango, kDjango}, backend, 0, true});  // an alert
    plaintext(state);
  }
  scene.pass(12'000 * kMs);
  EXPECT_TRUE(scene.out.exchanges.empty());
}

TEST_F(EncryptedBackend, what_is_answered_in_http_did_not_fail_as_tls) {
  plaintext(HeadState::kComplete);
  step(HandshakeDriver::kHandshake, -1, 156);
  scene.response(backend);
  ASSERT_EQ(scene.out.exchanges.size(), 1u);
  EXPECT_FALSE(scene.settled().request_seen);
}

TEST_F(EncryptedBackend, an_alert_that_is_sent_before_its_handshake_is_told_to_have_failed_is_no_answer) {
  plaintext(HeadState::kInvalid);
  scene.give(ResponseSeen{++scene.now_ns, {kDjango, kDjango}, backend, 0, true});
  step(HandshakeDriver::kHandshake, -1, 267);  // SSL_R_WRONG_VERSION_NUMBER
  scene.pass(12'000 * kMs);
  EXPECT_TRUE(scene.out.exchanges.empty());
}

TEST_F(EncryptedBackend, a_read_that_fails_takes_no_encrypted_request_back) {
  shake_hands();
  turn(false, 7300);
  request(7300);
  step(HandshakeDriver::kRead, 0, 294);  // SSL_R_UNEXPECTED_EOF_WHILE_READING
  scene.pass(12'000 * kMs);
  EXPECT_EQ(scene.out.exchanges.size(), 1u);
}

TEST_F(EncryptedBackend, before_tls_1_3_application_data_is_a_request_before_the_handshakes_end_is_told) {
  ServerHello hello;
  hello.version = 0x0303;
  scene.give(ServerHelloSeen{++scene.now_ns, backend, hello});
  turn(false, 7300);
  request(7345, true);  // read together with the Finished of a resumed session
  shake_hands();
  response();
  scene.pass(12'000 * kMs);
  EXPECT_EQ(scene.out.exchanges.size(), 1u);
}

TEST_F(EncryptedBackend, a_turn_is_one_request) {
  shake_hands();
  turn(false, 7300);
  request(7300, true);
  request(7400, true);
  response();
  scene.pass(12'000 * kMs);
  EXPECT_EQ(scene.out.exchanges.size(), 1u);
}

TEST_F(EncryptedBackend, a_request_behind_the_handshake_belongs_to_the_turn_that_it_was_sent_in) {
  const ConnectionId alice = scene.verified_client(40000, "alice");
  scene.receive(alice, 2, 300);
  scene.send(upstream, 1, 7000, {});
  scene.send(upstream, 2, 7300, {});  // Finished, and the request behind it
  shake_hands();
  turn(true, 1);  // tickets
  turn(false, 7380);
  request(7380);
  response();
  scene.send(alice, 2, 900, Witness{upstream, 2, 1});
  scene.pass(2'100 * kMs);
  const Provenance& way = scene.settled().provenance;
  EXPECT_EQ(way.attribution.confidence, Confidence::kExact);
  EXPECT_EQ(way.origins.at(0).id, alice);
}

// A front may have connected long before anybody asked, and nothing tells when it went on behind its Finished.
TEST_F(EncryptedBackend, whoever_came_while_the_turn_went_on_is_a_candidate) {
  scene.make_proxy_unknown();
  const ConnectionId alice = scene.verified_client(40000, "alice");
  scene.receive(alice, 2, 300);
  scene.send(upstream, 1, 7300, {});
  const ConnectionId mallory = scene.client_without_certificate(40001);
  scene.receive(mallory, 2, 300);
  shake_hands();
  turn(false, 7380);
  request(7380);
  response();
  scene.pass(2'100 * kMs);
  ASSERT_EQ(scene.settled().provenance.origins.size(), 2u);
  EXPECT_EQ(scene.settled().provenance.origins[1].id, mallory);
}

TEST_F(EncryptedBackend, its_own_session_is_told_beside_the_way) {
  shake_hands();
  turn(false, 7300);
  request(7300);
  response();
  scene.pass(2'100 * kMs);
  const Provenance& way = scene.settled().provenance;
  ASSERT_TRUE(way.own_tls);
  EXPECT_EQ(way.own_tls->id, backend);
  EXPECT_EQ(way.own_tls->session.state, SessionState::kEstablished);
}

}  // namespace
}  // namespace mtlswatch
