// SPDX-License-Identifier: Apache-2.0
#include <cerrno>

#include "tests/unit/builders/scene.h"
#include "userspace/correlate/handshake_failure.h"

namespace mtlswatch {
namespace {

TEST(Session, waiting_for_the_client_is_progress_and_one_report_ends_it) {
  Scene scene;
  const ConnectionId id = scene.tls_client(40000);
  HandshakeStep waiting = scene.step_of(id, -1);
  waiting.receive_result = -EAGAIN;
  scene.give(waiting);
  EXPECT_TRUE(scene.out.handshakes.empty());
  scene.give(PeerCertificate{scene.now_ns, {kNginx, kNginx}, id, 1, 0, leaf("alice")});
  scene.finish_handshake(id, 1, 0);
  scene.finish_handshake(id, 0, std::nullopt);
  ASSERT_EQ(scene.out.handshakes.size(), 1u);
  const HandshakeReport& report = scene.out.handshakes[0];
  EXPECT_EQ(report.outcome, "success");
  EXPECT_EQ(report.reason, "verified_client_certificate");
  EXPECT_EQ(report.source.port, 40000);
  EXPECT_EQ(report.session.presented, true);
  EXPECT_EQ(report.session.chain.front().subject.text, "CN=alice");
}

TEST(Session, accepted_by_tls_and_not_verified_are_two_facts) {
  Scene scene;
  const ConnectionId id = scene.tls_client(40000);
  scene.finish_handshake(id, 1, 10);
  const HandshakeReport& report = scene.out.handshakes.at(0);
  EXPECT_EQ(report.outcome, "success");
  EXPECT_EQ(report.reason, "client_certificate_not_verified");
  EXPECT_EQ(report.session.verify_code, 10);
}

TEST(Session, nothing_presented_is_claimed_only_of_a_full_handshake) {
  Scene scene;
  scene.client_without_certificate(40000);
  EXPECT_EQ(scene.out.handshakes.at(0).session.presented, false);

  const ConnectionId resumed = scene.connection(kNginx, Role::kIngress, tcp("10.0.0.1", 443), tcp("203.0.113.9", 40001));
  scene.give(ClientHelloSeen{scene.now_ns, resumed, {}});
  ServerHello hello;
  hello.version = 0x0304;
  hello.selected_pre_shared_key = true;
  scene.give(ServerHelloSeen{scene.now_ns, resumed, hello});
  scene.receive(resumed, 2, 300);
  scene.finish_handshake(resumed, 0, std::nullopt);
  EXPECT_EQ(scene.out.handshakes.at(1).session.presented, std::nullopt);
  EXPECT_EQ(scene.out.handshakes.at(1).session.resumed, true);

  const ConnectionId unheard = scene.connection(kNginx, Role::kIngress, tcp("10.0.0.1", 443), tcp("203.0.113.9", 40002));
  scene.finish_handshake(unheard, 0, std::nullopt);
  EXPECT_EQ(scene.out.handshakes.at(2).session.presented, std::nullopt);
}

TEST(Session, nothing_presented_is_not_claimed_of_a_handshake_that_was_seen_from_its_middle_on) {
  Scene scene;
  const ConnectionId id = scene.tls_client(40000);
  HandshakeStep last = scene.step_of(id, 1);  // the calls before, with a certificate maybe, came before the probes
  last.started_ns = last.time_ns;
  scene.give(last);
  EXPECT_EQ(scene.out.handshakes.at(0).session.presented, std::nullopt);
  EXPECT_EQ(scene.out.handshakes.at(0).session.tls_accepted, true);

  const ConnectionId whole = scene.tls_client(40001);
  HandshakeStep first = scene.step_of(whole, -1);
  first.receive_result = -EAGAIN;
  scene.give(first);
  HandshakeStep second = scene.step_of(whole, 1);
  second.started_ns = second.time_ns;
  scene.give(second);
  EXPECT_EQ(scene.out.handshakes.at(1).session.presented, false);
}

// Whoever replays the first flight of a resumed client comes as far as this.
TEST(Session, early_data_proves_nothing_before_the_clients_second_flight) {
  Scene scene;
  const ConnectionId id = scene.connection(kNginx, Role::kIngress, tcp("10.0.0.1", 443), tcp("203.0.113.9", 40000));
  ClientHello client;
  client.has_early_data = true;
  scene.give(ClientHelloSeen{scene.now_ns, id, client});
  SessionOffered offered{scene.now_ns, {kNginx, kNginx}, id};
  offered.complete = offered.has_certificate = true;
  offered.verify_code = 0;
  scene.give(offered);
  scene.receive(id, 1, 0);
  scene.pass(kMs);
  ServerHello server;
  server.version = 0x0304;
  server.selected_pre_shared_key = true;
  scene.give(ServerHelloSeen{scene.now_ns, id, server});
  scene.give(scene.step_of(id, 1));  // within SSL_read_early_data
  EXPECT_TRUE(scene.out.handshakes.empty());
  scene.receive(id, 2, 500);
  scene.give(scene.step_of(id, 1));
  EXPECT_EQ(scene.out.handshakes.at(0).session.presented, true);
}

TEST(Session, a_handshake_whose_end_behind_early_data_is_not_seen_is_told_as_that) {
  Scene scene;
  const ConnectionId id = scene.connection(kNginx, Role::kIngress, tcp("10.0.0.1", 443), tcp("203.0.113.9", 40000));
  ClientHello client;
  client.has_early_data = true;
  scene.give(ClientHelloSeen{scene.now_ns, id, client});
  ServerHello server;
  server.version = 0x0304;
  scene.give(ServerHelloSeen{scene.now_ns, id, server});
  scene.give(scene.step_of(id, 1));
  ConnectionClosed closed;
  closed.time_ns = ++scene.now_ns;
  closed.id = id;
  scene.give(closed);
  scene.pass(2'000 * kMs);
  EXPECT_EQ(scene.out.handshakes.at(0).outcome, "unknown");
  EXPECT_EQ(scene.out.handshakes.at(0).reason, "early_data");
}

TEST(Session, nothing_presented_is_not_claimed_where_the_librarys_probes_are_missing) {
  Scene scene;
  scene.make_proxy_unknown("blind");
  scene.client_without_certificate(40000);
  EXPECT_EQ(scene.out.handshakes.at(0).session.presented, std::nullopt);
}

TEST(Session, tls_1_2_resumption_is_told_by_the_echoed_session_id) {
  ClientHello client;
  ServerHello server;
  server.version = 0x0303;
  EXPECT_EQ(is_resumption(&client, &server), false);
  client.session_id = {1, 2, 3};
  server.session_id = {9};
  EXPECT_EQ(is_resumption(&client, &server), false);
  server.session_id = {1, 2, 3};
  EXPECT_EQ(is_resumption(&client, &server), true);
  client.session_id.clear();
  client.has_session_ticket = true;
  server.session_id.clear();
  EXPECT_EQ(is_resumption(&client, &server), std::nullopt);
  EXPECT_EQ(is_resumption(nullptr, &server), std::nullopt);
}

TEST(Session, resumption_is_not_denied_where_the_extension_that_tells_it_was_not_read) {
  ClientHello client;
  ServerHello server;
  server.version = 0x0304;
  EXPECT_EQ(is_resumption(&client, &server), false);
  server.cut = true;
  EXPECT_EQ(is_resumption(&client, &server), std::nullopt);
  server.selected_pre_shared_key = true;
  EXPECT_EQ(is_resumption(&client, &server), true);
  server.version = 0x0303;
  client.cut = true;
  EXPECT_EQ(is_resumption(&client, &server), std::nullopt);
}

TEST(Session, a_failure_carries_the_first_reason_and_the_end_of_stream_its_own) {
  Scene scene;
  const ConnectionId refused = scene.tls_client(40000);
  HandshakeStep failed = scene.step_of(refused, -1);
  failed.reason = 199;
  failed.receive_result = 20;
  scene.give(failed);
  const ConnectionId gone = scene.tls_client(40001);
  HandshakeStep ended = scene.step_of(gone, -1);
  ended.receive_result = 0;
  scene.give(ended);
  ASSERT_EQ(scene.out.handshakes.size(), 2u);
  EXPECT_EQ(scene.out.handshakes[0].outcome, "failure");
  EXPECT_EQ(scene.out.handshakes[0].reason, "peer_did_not_return_a_certificate");
  EXPECT_EQ(scene.out.handshakes[1].reason, "peer_closed");
}

TEST(Session, a_closed_or_silent_handshake_is_abandoned_once) {
  Scene scene;
  const ConnectionId closed = scene.tls_client(40000), silent = scene.tls_client(40001);
  for (const ConnectionId id : {closed, silent}) {
    HandshakeStep waiting = scene.step_of(id, -1);
    waiting.receive_result = -EAGAIN;
    scene.give(waiting);
  }
  scene.give(ConnectionClosed{++scene.now_ns, closed});
  scene.pass(SessionTracker::kAfterCloseNs + 1'000 * kMs);
  ASSERT_EQ(scene.out.handshakes.size(), 1u);
  EXPECT_EQ(scene.out.handshakes[0].outcome, "unknown");
  EXPECT_EQ(scene.out.handshakes[0].reason, "abandoned");
  scene.pass(SessionTracker::kAbandonedNs + 1'000 * kMs);
  scene.pass(SessionTracker::kAbandonedNs + 1'000 * kMs);
  EXPECT_EQ(scene.out.handshakes.size(), 2u);
}

/// A handshake that waits for its client, after 2 s of silence and the end of its connection.
HandshakeReport after_ending(Ending ending) {
  Scene scene;
  const ConnectionId id = scene.tls_client(40000);
  HandshakeStep waiting = scene.step_of(id, -1);
  waiting.receive_result = -EAGAIN;
  scene.give(waiting);
  scene.now_ns += 2'000 * kMs;
  scene.give(ConnectionClosed{scene.now_ns, id, ending});
  scene.pass(SessionTracker::kAfterCloseNs);
  return scene.out.handshakes.at(0);
}

TEST(Session, who_ended_the_connection_tells_why_a_handshake_ended) {
  EXPECT_EQ(after_ending(Ending::kPeer).reason, "peer_closed");
  EXPECT_EQ(after_ending(Ending::kReset).reason, "socket_error");
  EXPECT_EQ(after_ending(Ending::kLocal).reason, "timed_out");
  EXPECT_EQ(after_ending(Ending::kLocal).outcome, "failure");
  EXPECT_EQ(after_ending(Ending::kUnknown).outcome, "unknown");
}

TEST(Session, what_the_server_makes_of_a_reset_is_waited_for) {
  Scene scene;
  const ConnectionId id = scene.tls_client(40000);
  scene.give(ConnectionClosed{++scene.now_ns, id, Ending::kReset});
  HandshakeStep failed = scene.step_of(id, -1);
  failed.receive_result = -ECONNRESET;
  scene.give(failed);
  scene.pass(SessionTracker::kAfterCloseNs);
  ASSERT_EQ(scene.out.handshakes.size(), 1u);
  EXPECT_EQ(scene.out.handshakes[0].reason, "socket_error");
  EXPECT_EQ(scene.out.handshakes[0].session.tls_accepted, false);
}

TEST(Session, whether_tls_accepted_is_not_claimed_where_no_probe_told) {
  Scene scene;
  const ConnectionId id = scene.tls_client(40000);
  scene.give(ConnectionClosed{++scene.now_ns, id});
  scene.pass(SessionTracker::kAfterCloseNs);
  EXPECT_EQ(scene.out.handshakes.at(0).reason, "not_observed");
  EXPECT_EQ(scene.out.handshakes.at(0).session.tls_accepted, std::nullopt);
}

HandshakeStep peek(Scene& scene, ConnectionId id, std::uint32_t certificates, int received) {
  HandshakeStep step = scene.step_of(id, 0);
  step.driver = HandshakeDriver::kPeek;
  step.certificates = certificates;
  step.receive_result = received;
  if (certificates > 0) step.verify_code = 0;
  return step;
}

TEST(Session, a_certificate_asked_for_after_the_handshake_replaces_what_was_known) {
  Scene scene;
  const ConnectionId id = scene.client_without_certificate(40000);
  scene.give(PeerCertificate{++scene.now_ns, {kNginx, kNginx}, id, 1, 0, leaf("alice")});
  scene.give(peek(scene, id, 1, 900));
  ASSERT_EQ(scene.out.handshakes.size(), 2u);
  const HandshakeReport& again = scene.out.handshakes[1];
  EXPECT_EQ(again.reason, "verified_client_certificate");
  EXPECT_EQ(again.session.chain.front().subject.text, "CN=alice");
  EXPECT_EQ(again.session.reauthenticated_ns, scene.now_ns);
}

TEST(Session, a_renegotiation_without_a_certificate_leaves_nothing_known) {
  ProcessDirectory processes;
  SessionTracker sessions(processes);
  Scene scene;
  Connection connection;
  connection.session.state = SessionState::kEstablished;
  connection.session.presented = true;
  connection.session.verify_code = 0;
  connection.session.chain = {leaf("alice")};
  sessions.on_step(connection, peek(scene, 1, 0, -EAGAIN));
  EXPECT_EQ(connection.session.presented, true);
  EXPECT_FALSE(sessions.on_step(connection, peek(scene, 1, 0, 200)));
  EXPECT_EQ(connection.session.presented, std::nullopt);
  EXPECT_TRUE(connection.session.chain.empty());
}

TEST(Session, an_unbound_step_and_a_clients_step_change_nothing) {
  Scene scene;
  const ConnectionId dialled = scene.connection(kNginx, Role::kEgress, tcp("10.0.0.1", 5000), tcp("10.0.0.2", 443));
  scene.give(scene.step_of(0, 1));
  scene.give(scene.step_of(dialled, 1));
  EXPECT_TRUE(scene.out.handshakes.empty());
}

TEST(Session, names_of_failures_cover_alerts_and_unknown_numbers) {
  EXPECT_EQ(handshake_failure_text(1048), "alert_unknown_ca");
  EXPECT_EQ(handshake_failure_text(1099), "alert_99");
  EXPECT_EQ(handshake_failure_text(7), "ssl_error_7");
}

}  // namespace
}  // namespace mtlswatch
