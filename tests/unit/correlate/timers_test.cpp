// SPDX-License-Identifier: Apache-2.0
// nginx sends by timers too, and may keep an answer back: what then looks like somebody's answer, or question, is not.
#include "tests/unit/builders/scene.h"

namespace mtlswatch {
namespace {

// nginx reads the response's head, keeps it back until the body comes, and meanwhile says farewell to somebody idle.
TEST(Timers, a_farewell_by_a_timer_is_no_answer) {
  Scene scene;
  const ConnectionId alice = scene.verified_client(40000, "alice");
  const ConnectionId mallory = scene.client_without_certificate(40001);
  scene.receive(alice, 2, 300);
  scene.send(alice, 2, 900, {});
  scene.receive(mallory, 2, 300);
  const auto [upstream, backend] = scene.ask_from(Witness{mallory, 2, 300});
  scene.send_more(alice, Witness{upstream, 1, 1});
  EXPECT_EQ(scene.candidates(), (std::vector{alice, mallory}));
}

// Mallory's request was delayed, and a timer sent it on just after alice had asked; alice is then answered by a timer, too.
TEST(Timers, question_and_answer_may_agree_by_two_timers_in_a_proxy_that_delays) {
  Scene scene;
  const ConnectionId alice = scene.verified_client(40000, "alice");
  const ConnectionId mallory = scene.client_without_certificate(40001);
  const ConnectionId bob = scene.verified_client(40002, "bob");
  scene.receive(bob, 2, 300);
  scene.receive(alice, 2, 300);
  const ConnectionId delayed = scene.ask_from(Witness{alice, 2, 300}).first;  // bob's
  scene.send(bob, 2, 900, Witness{delayed, 1, 1});
  scene.send(alice, 2, 900, {});
  scene.pass(2'100 * kMs);
  scene.out = {};
  scene.receive(mallory, 2, 300);
  scene.receive(alice, 3, 600);
  const auto [upstream, backend] = scene.upstream(5001);
  scene.send(upstream, 1, 7000, Witness{alice, 3, 600});
  scene.request(backend, 7000);
  scene.response(backend);
  scene.send(alice, 3, 1200, Witness{upstream, 1, 1});
  EXPECT_EQ(scene.candidates(), (std::vector{alice, mallory, bob}));
}

TEST(Timers, a_farewell_to_who_was_read_from_last_is_no_answer_either) {
  Scene scene;
  const ConnectionId alice = scene.verified_client(40000, "alice");
  const ConnectionId mallory = scene.client_without_certificate(40001);
  scene.receive(mallory, 2, 300);
  scene.receive(alice, 2, 300);
  scene.send(alice, 2, 900, {});
  const auto [upstream, backend] = scene.ask_from(Witness{alice, 2, 300});
  scene.send_more(alice, Witness{upstream, 1, 1});
  EXPECT_EQ(scene.candidates(), (std::vector{alice, mallory}));
}

/// Mallory's response is read whole, and kept back from her. Then a timer says farewell to alice.
void keep_back_and_say_farewell(Scene& scene, ConnectionId alice, ConnectionId mallory, const Witness& received = {}) {
  scene.receive(alice, 2, 300);
  scene.send(alice, 2, 900, {});
  scene.receive(mallory, 2, 300);
  const auto [upstream, backend] = scene.ask_from(received);
  scene.send_more(alice, Witness{upstream, 1, 1});
  scene.give(ConnectionClosed{++scene.now_ns, upstream});
}

// Measured: with 16 streams and big answers, nginx sent nothing after 224 of 240 responses until a window was opened.
TEST(Timers, over_http2_an_answer_may_be_kept_back_though_the_socket_has_space) {
  Scene scene;
  const ConnectionId alice = scene.verified_client(40000, "alice");
  ClientHello hello;
  hello.alpn = {"h2", "http/1.1"};
  const ConnectionId mallory = scene.client_without_certificate(40001, hello);
  keep_back_and_say_farewell(scene, alice, mallory);
  EXPECT_EQ(scene.candidates(), (std::vector{alice, mallory}));
}

// Her request was delayed, too, until alice had just been read from.
TEST(Timers, over_http2_an_answer_may_be_kept_back_while_question_and_farewell_agree) {
  Scene scene;
  const ConnectionId alice = scene.verified_client(40000, "alice");
  ClientHello hello;
  hello.alpn = {"h2", "http/1.1"};
  const ConnectionId mallory = scene.client_without_certificate(40001, hello);
  keep_back_and_say_farewell(scene, alice, mallory, Witness{alice, 2, 300});
  EXPECT_EQ(scene.candidates(), (std::vector{alice, mallory}));
}

TEST(Timers, over_http2_without_tls_too) {
  Scene scene;
  const ConnectionId alice = scene.verified_client(40000, "alice");
  const ConnectionId mallory = scene.plaintext_client(40001);
  scene.give(ConnectionBegan{scene.now_ns, mallory, FirstBytes::kHttp2});
  keep_back_and_say_farewell(scene, alice, mallory);
  EXPECT_EQ(scene.candidates(), (std::vector{alice, mallory}));
}

// The same with an answer that a timer gives: what limit_req delayed, or a 504.
TEST(Timers, an_answer_by_a_timer_to_somebody_who_waits_is_not_this_one) {
  Scene scene;
  const ConnectionId alice = scene.verified_client(40000, "alice");
  const ConnectionId mallory = scene.client_without_certificate(40001);
  scene.receive(alice, 2, 300);
  scene.receive(mallory, 2, 300);
  const auto [upstream, backend] = scene.ask_from(Witness{mallory, 2, 300});
  scene.send(alice, 2, 900, Witness{upstream, 1, 1});
  EXPECT_EQ(scene.candidates(), (std::vector{alice, mallory}));
}

TEST(Timers, a_client_that_withheld_reads_for_a_while_may_be_the_one_who_asked) {
  Scene scene;
  const ConnectionId alice = scene.verified_client(40000, "alice");
  const ConnectionId mallory = scene.client_without_certificate(40001);
  scene.receive(alice, 2, 300);
  scene.receive(mallory, 2, 300);
  const auto [upstream, backend] = scene.ask_from({});
  Turn blocked = scene.turn(kNginx, mallory, true, 3, 50);
  blocked.blocked = true;
  scene.give(blocked);
  scene.send(alice, 2, 900, Witness{upstream, 1, 1});
  Turn late = scene.turn(kNginx, mallory, true, 3, 50);
  late.resumed = true;
  late.first_of_turn = false;
  scene.give(late);
  EXPECT_EQ(scene.candidates(), (std::vector{alice, mallory}));
}

/// Alice's request comes in one piece with the last message of her handshake, and is answered behind the tickets.
ConnectionId ask_with_finished(Scene& scene) {
  const ConnectionId alice = scene.tls_client(40000);
  scene.give(PeerCertificate{++scene.now_ns, {kNginx, kNginx}, alice, 1, 0, leaf("alice")});
  scene.send(alice, 2, 500, {});
  scene.finish_handshake(alice, 1, 0);
  const auto [upstream, backend] = scene.ask_from(Witness{alice, 1, 100});
  scene.send_more(alice, Witness{upstream, 1, 1});
  return alice;
}

TEST(Timers, the_first_answer_behind_a_handshake_is_one) {
  Scene scene;
  ask_with_finished(scene);
  EXPECT_EQ(scene.settled().provenance.attribution.method, "request+response");
}

TEST(Timers, the_first_answer_behind_a_handshake_may_be_by_a_timer_while_another_waits) {
  Scene scene;
  const ConnectionId mallory = scene.client_without_certificate(40001);
  scene.receive(mallory, 2, 300);
  const ConnectionId alice = ask_with_finished(scene);
  EXPECT_EQ(scene.candidates(), (std::vector{mallory, alice}));
}

TEST(Timers, the_first_answer_behind_a_handshake_was_no_farewell_where_its_client_asks_again) {
  Scene scene;
  const ConnectionId bob = scene.verified_client(40001, "bob");
  scene.receive(bob, 2, 300);
  scene.send(bob, 2, 900, {});
  const ConnectionId alice = ask_with_finished(scene);
  scene.receive(alice, 2, 600);
  scene.pass(2'100 * kMs);
  EXPECT_EQ(scene.settled().provenance.attribution.method, "response");
}

// Mallory sends two requests in one piece. The second is delayed, and goes out when alice's handshake has just ended.
TEST(Timers, a_farewell_behind_a_handshake_is_no_answer_to_who_pipelined) {
  Scene scene;
  const ConnectionId mallory = scene.client_without_certificate(40001);
  scene.receive(mallory, 2, 300);
  scene.send(mallory, 2, 900, {});
  const ConnectionId alice = ask_with_finished(scene);
  EXPECT_EQ(scene.candidates(), (std::vector{mallory, alice}));
}

}  // namespace
}  // namespace mtlswatch
