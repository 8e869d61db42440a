// SPDX-License-Identifier: Apache-2.0
// Whose session was resumed: the client's certificate is not on the wire then.
#include "tests/unit/builders/scene.h"

namespace mtlswatch {
namespace {

constexpr std::uint64_t kAddress = 0x7f0000001000;

SessionOffered ticket(Scene& scene, ConnectionId id) {
  SessionOffered offered;
  offered.time_ns = ++scene.now_ns;
  offered.actor = {kNginx, kNginx};
  offered.id = id;
  offered.complete = true;
  return offered;
}

SessionCached cached(Scene& scene, ConnectionId id, bool found) {
  return {++scene.now_ns, {kNginx, kNginx}, id, kAddress, found, !found};
}

void answer(Scene& scene, ConnectionId id, bool resumed, bool retry = false) {
  ServerHello hello;
  hello.version = 0x0304;
  hello.selected_pre_shared_key = resumed;
  hello.is_retry_request = retry;
  scene.give(ServerHelloSeen{++scene.now_ns, id, hello});
  scene.receive(id, retry ? 1 : 2, 300);
}

ConnectionId client(Scene& scene, std::uint16_t port, bool is_cut = false) {
  const ConnectionId id = scene.connection(kNginx, Role::kIngress, tcp("10.0.0.1", 443), tcp("203.0.113.9", port));
  scene.give(ConnectionBegan{++scene.now_ns, id, FirstBytes::kTls});
  ClientHello hello;
  hello.server_name = "shop.example";
  hello.cut = is_cut;
  scene.give(ClientHelloSeen{scene.now_ns, id, hello});
  return id;
}

void offer_alice(Scene& scene, ConnectionId id) {
  SessionOffered offered = ticket(scene, id);
  offered.has_certificate = true;
  offered.server_name = "shop.example";
  scene.give(offered);
  PeerCertificate certificate{++scene.now_ns, {kNginx, kNginx}, id, 1, 0, {}};
  certificate.of_session = true;
  certificate.certificate = leaf("alice");
  scene.give(certificate);
}

/// A verified client whose session goes into the in-process cache.
void store_alice(Scene& scene, bool is_cut = false, bool is_retried = false) {
  const ConnectionId id = client(scene, 40000, is_cut);
  if (is_retried) answer(scene, id, false, true);
  answer(scene, id, false);
  scene.give(PeerCertificate{++scene.now_ns, {kNginx, kNginx}, id, 1, 0, leaf("alice")});
  scene.give(cached(scene, id, false));
  scene.finish_handshake(id, 1, 0);
}

Session resume_from_cache(Scene& scene) {
  const ConnectionId id = client(scene, 40001);
  scene.give(cached(scene, id, true));
  answer(scene, id, true);
  scene.finish_handshake(id, 0, std::nullopt);
  return scene.out.handshakes.back().session;
}

TEST(Resumption, a_ticket_brings_back_certificate_verify_result_and_name) {
  Scene scene;
  const ConnectionId id = client(scene, 40000);
  offer_alice(scene, id);
  answer(scene, id, true);
  scene.finish_handshake(id, 0, std::nullopt);
  const HandshakeReport& report = scene.out.handshakes.at(0);
  EXPECT_EQ(report.reason, "verified_client_certificate");
  EXPECT_EQ(report.session.resumed, true);
  EXPECT_EQ(report.session.presented, true);
  EXPECT_EQ(report.session.chain.front().subject.text, "CN=alice");
  EXPECT_EQ(report.session.original_server_name, "shop.example");
}

TEST(Resumption, a_session_that_was_offered_and_not_taken_says_nothing) {
  Scene scene;
  const ConnectionId id = client(scene, 40000);
  offer_alice(scene, id);
  answer(scene, id, false);
  scene.finish_handshake(id, 0, std::nullopt);
  const Session& session = scene.out.handshakes.at(0).session;
  EXPECT_EQ(session.presented, false);
  EXPECT_TRUE(session.chain.empty());
}

TEST(Resumption, of_several_offered_sessions_the_last_one_is_it) {
  Scene scene;
  const ConnectionId id = client(scene, 40000);
  offer_alice(scene, id);
  scene.give(ticket(scene, id));
  answer(scene, id, true);
  scene.finish_handshake(id, 0, std::nullopt);
  EXPECT_EQ(scene.out.handshakes.at(0).session.presented, false);
}

TEST(Resumption, a_session_that_could_not_be_read_to_its_end_is_unknown) {
  Scene scene;
  const ConnectionId id = client(scene, 40000);
  offer_alice(scene, id);
  SessionOffered cut = ticket(scene, id);
  cut.complete = false;
  scene.give(cut);
  answer(scene, id, true);
  scene.finish_handshake(id, 0, std::nullopt);
  EXPECT_EQ(scene.out.handshakes.at(0).session.presented, std::nullopt);
  EXPECT_EQ(scene.out.handshakes.at(0).session.verify_code, std::nullopt);
}

TEST(Resumption, a_ticket_that_the_server_makes_is_not_one_that_it_was_offered) {
  Scene scene;
  const ConnectionId id = client(scene, 40000);
  answer(scene, id, true);
  offer_alice(scene, id);
  scene.finish_handshake(id, 0, std::nullopt);
  EXPECT_EQ(scene.out.handshakes.at(0).session.presented, std::nullopt);
}

TEST(Resumption, what_is_offered_after_a_retry_request_counts) {
  Scene scene;
  const ConnectionId id = client(scene, 40000);
  offer_alice(scene, id);
  answer(scene, id, false, true);
  scene.give(ticket(scene, id));
  answer(scene, id, true);
  scene.finish_handshake(id, 0, std::nullopt);
  EXPECT_EQ(scene.out.handshakes.at(0).session.presented, false);
  EXPECT_TRUE(scene.out.handshakes.at(0).session.retried) << "its second hello may have named another server";
}

TEST(Resumption, the_in_process_cache_is_followed_by_address) {
  Scene scene;
  store_alice(scene);
  const Session session = resume_from_cache(scene);
  EXPECT_EQ(session.presented, true);
  EXPECT_EQ(session.verify_code, 0);
  EXPECT_EQ(session.chain.front().subject.text, "CN=alice");
  EXPECT_EQ(session.original_server_name, "shop.example");
}

TEST(Resumption, an_address_where_something_unknown_was_stored_since_says_nothing) {
  Scene scene;
  store_alice(scene);
  scene.give(cached(scene, 0, false));
  EXPECT_EQ(resume_from_cache(scene).presented, std::nullopt);
}

TEST(Resumption, a_session_stored_before_the_servers_answer_is_not_that_handshakes_own) {
  Scene scene;
  const ConnectionId id = client(scene, 40000);
  SessionCached imported = cached(scene, id, false);
  imported.own = false;
  scene.give(imported);
  answer(scene, id, false);
  scene.give(PeerCertificate{++scene.now_ns, {kNginx, kNginx}, id, 1, 0, leaf("alice")});
  scene.finish_handshake(id, 1, 0);
  EXPECT_EQ(resume_from_cache(scene).presented, std::nullopt);
}

// The client may give another name in its second hello, and one that stands behind what was read.
TEST(Resumption, a_cached_session_whose_name_was_perhaps_not_seen_says_nothing) {
  Scene retried, cut;
  store_alice(retried, false, true);
  EXPECT_EQ(resume_from_cache(retried).presented, std::nullopt);
  store_alice(cut, true);
  EXPECT_EQ(resume_from_cache(cut).presented, std::nullopt);
}

TEST(Resumption, lost_records_make_the_cache_unknown) {
  Scene scene;
  store_alice(scene);
  scene.give(RecordsLost{scene.now_ns, scene.now_ns + 1, 1});
  ++scene.now_ns;
  EXPECT_EQ(resume_from_cache(scene).presented, std::nullopt);
}

TEST(Resumption, an_ended_process_leaves_nothing_to_its_successor_of_the_same_pid) {
  Scene scene;
  store_alice(scene);
  scene.give(ProcessChange{++scene.now_ns, kNginx, ProcessChangeKind::kExit});
  EXPECT_EQ(resume_from_cache(scene).presented, std::nullopt);
}

TEST(SessionCache, forgets_the_oldest_when_it_is_full) {
  SessionCache cache;
  OlderSession known;
  known.presented = true;
  for (std::uint64_t address = 1; address <= SessionCache::kSessions + 1; ++address) cache.remember(1, address, known);
  EXPECT_EQ(cache.size(), SessionCache::kSessions);
  EXPECT_EQ(cache.find(1, 1), nullptr);
  EXPECT_NE(cache.find(1, 2), nullptr);
  EXPECT_EQ(cache.evicted(), 1u);
}

TEST(SessionCache, stays_small_when_one_address_is_used_again_and_again) {
  SessionCache cache;
  for (std::uint64_t round = 0; round < 5 * SessionCache::kSessions; ++round) cache.remember(1, 7, {});
  EXPECT_EQ(cache.size(), 1u);
  EXPECT_NE(cache.find(1, 7), nullptr);
  EXPECT_EQ(cache.evicted(), 0u);
}

}  // namespace
}  // namespace mtlswatch
