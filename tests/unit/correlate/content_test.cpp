// SPDX-License-Identifier: Apache-2.0
// The content witness: whose request goes upstream, by what a process has read from its clients. Nobody may be named for a
// request that somebody else can have made.
#include <map>
#include <memory>
#include <string>

#include "tests/unit/builders/scene.h"
#include "userspace/decode/client_content.h"

namespace mtlswatch {
namespace {

using namespace std::string_literals;

const std::string kAlices = "session=4f9d27b1c08e6a35", kBobs = "session=53a6e80c1b72d9f4";

std::string head_with(const std::string& cookie, const std::string& more = "") {
  return "GET /orders HTTP/1.1\r\nHost: shop\r\nCookie: " + cookie + "\r\n" + more + "\r\n";
}

/// A proxy that queues and whose reads are told; alice and bob are clients of it.
class Contents : public testing::Test {
 protected:
  Contents() { again(); }

  /// A host on which nothing has happened yet.
  void again() {
    contents.clear();
    positions.clear();
    world = std::make_unique<Scene>();
    scene().make_proxy_unknown();
    const ConnectionId first = scene().client_without_certificate(39998), second = scene().client_without_certificate(39999);
    ask_upstream("", second);  // leaves it open: from here on the process is asked for what it reads
    scene().give(ConnectionClosed{++scene().now_ns, first});
    scene().give(ConnectionClosed{++scene().now_ns, second});
    scene().pass(16'000 * kMs);
    scene().out = {};
    alice = client(40000, "alice");
    bob = client(40001, "");
  }

  ConnectionId client(std::uint16_t port, const std::string& name, bool told = true) {
    const ConnectionId id = scene().tls_client(port);
    if (!name.empty()) scene().give(PeerCertificate{++scene().now_ns, {kNginx, kNginx}, id, 1, 0, leaf(name)});
    HandshakeStep step = scene().step_of(id, 1);
    step.driver = HandshakeDriver::kRead;
    step.content_told = told;
    step.certificates = !name.empty();
    if (!name.empty()) step.verify_code = 0;
    scene().give(step);
    return id;
  }

  void read(ConnectionId id, const std::string& text, std::uint32_t hidden = 0) {
    scene().receive(id, ++turns, 300);
    mtlswatch_content record{};
    record.header.time_ns = ++scene().now_ns;
    record.header.pid = record.header.tid = kNginx;
    record.cookie = id;
    record.position = positions[id];
    record.length = static_cast<std::uint32_t>(text.size()) + hidden;
    positions[id] += record.length;
    scene().give(contents.read(record, text));
  }

  /// The backend reads this head. answered: the client to whom its answer goes.
  void ask_upstream(const std::string& head, ConnectionId answered) {
    const auto [upstream, backend] = scene().upstream(port++);
    scene().send(upstream, 1, 7000, Witness{answered, 2, 300});
    RequestSeen seen;
    seen.time_ns = ++scene().now_ns;
    seen.actor = {kDjango, kDjango};
    seen.id = backend;
    seen.position = 7000;
    seen.head.state = HeadState::kComplete;
    auto print = print_head(head);
    if (print) seen.head.print = std::make_shared<const HeadPrint>(std::move(*print));
    scene().give(seen);
    scene().response(backend);
    if (answered != 0) scene().send(answered, ++turns, 900, Witness{upstream, 1, 1});
    scene().give(ConnectionClosed{++scene().now_ns, upstream});
    scene().pass(2'100 * kMs);
  }

  void earn_trust() {
    for (std::uint64_t i = 0; i < ContentWitness::kAgreements; ++i) {
      const std::string mine = head_with(kAlices, "X-Request-ID: 7d1c5f0e9b3a4826" + std::to_string(i) + "\r\n");
      read(alice, mine);
      ask_upstream(mine, alice);
    }
    scene().out = {};
  }

  Scene& scene() { return *world; }
  const Attribution& attribution() { return scene().settled().provenance.attribution; }
  /// Both have asked at once; what the backend has read is alice's head, and nothing else tells so.
  void ask_for_alice(const std::string& head = head_with(kAlices)) { ask_upstream(head, 0); }

  void expect_alice() {
    EXPECT_EQ(attribution().method, "content");
    EXPECT_EQ(attribution().confidence, Confidence::kExact);
    ASSERT_EQ(scene().settled().provenance.origins.size(), 1u);
    EXPECT_EQ(scene().settled().provenance.origins[0].id, alice);
  }
  void expect_open() { EXPECT_EQ(attribution().method, "candidates"); }

  std::unique_ptr<Scene> world;
  ClientContents contents;
  std::map<ConnectionId, std::uint64_t> positions;
  std::uint64_t turns = 10;
  std::uint16_t port = 5000;
  ConnectionId alice = 0, bob = 0;
};

TEST_F(Contents, are_asked_for_where_several_may_have_asked_and_no_longer_when_that_is_long_ago) {
  EXPECT_TRUE(scene().correlator.in_need_of_content().contains(kNginx));
  scene().pass(ContentWitness::kNeedNs + 1);
  scene().pass(20'000 * kMs);
  EXPECT_FALSE(scene().correlator.in_need_of_content().contains(kNginx));
}

TEST_F(Contents, name_the_only_client_who_ever_sent_a_value_of_the_request) {
  earn_trust();
  read(alice, head_with(kAlices));
  read(bob, head_with(kBobs));
  ask_for_alice("GET /shop/orders HTTP/1.1\r\nHost: inner\r\nX-Forwarded-For: 203.0.113.9\r\nconnection: close\r\ncookie: " + kAlices + "\r\n\r\n");
  expect_alice();
}

TEST_F(Contents, name_the_client_whose_request_was_one_of_many) {
  earn_trust();
  for (const char* id : {"0a1b2c3d4e5f60718", "1a2b3c4d5e6f70819", "2a3b4c5d6e7f80920"}) read(alice, head_with(kAlices, std::string("X-Request-ID: ") + id + "\r\n"));
  read(bob, head_with(kBobs));
  ask_for_alice(head_with(kAlices, "X-Request-ID: 1a2b3c4d5e6f70819\r\n"));
  expect_alice();
}

TEST_F(Contents, do_not_name_anybody_before_the_process_has_agreed_with_its_sockets) {
  read(alice, head_with(kAlices));
  read(bob, head_with(kBobs));
  ask_for_alice();
  expect_open();
}

TEST_F(Contents, do_not_name_one_of_two_who_sent_the_same) {
  earn_trust();
  read(alice, head_with(kAlices));
  read(bob, head_with(kAlices));
  ask_for_alice();
  expect_open();
}

TEST_F(Contents, do_not_name_a_client_whose_value_another_one_sent_before_or_elsewhere_or_spelled_otherwise) {
  const std::string other = "GET /x HTTP/1.1\r\nHost: h\r\n";
  for (const std::string& head : {"GET /?" + kAlices + " HTTP/1.1\r\n\r\n", other + "X-Secret: " + kAlices + "\r\n\r\n",
                                  other + "Cookie: SESSION%3D4f9d27b1c08e6a%335\r\n\r\n", other + "Cookie: s%2565ssion%253d4f9d27b1c08e6a35\r\n\r\n",
                                  other + "Cookie: a=b; " + kAlices + "; c=d\r\n\r\n", other + "X-A: session=4f9d27\r\nX-B: b1c08e6a35\r\n\r\n",
                                  "POST /x HTTP/1.1\r\nContent-Length: 24\r\n\r\n" + kAlices}) {
    again();
    earn_trust();
    read(bob, head);
    for (int i = 0; i < 6; ++i) read(bob, head_with(kBobs));
    read(alice, head_with(kAlices));
    ask_for_alice();
    expect_open();
  }
}

TEST_F(Contents, do_not_name_a_client_whose_value_somebody_sent_who_has_just_left) {
  earn_trust();
  read(bob, head_with(kAlices));
  scene().give(ConnectionClosed{++scene().now_ns, bob});
  read(alice, head_with(kAlices));
  ask_for_alice();
  expect_open();
}

TEST_F(Contents, do_not_name_anybody_while_a_client_is_there_who_may_have_sent_anything) {
  for (const std::string& odd : {"GET /x HTTP/1.1\r\nHost: h\r\n x: folded\r\n\r\n"s, "GET /x HTTP/1.1\nHost: h\n\n"s, "GET /x HTTP/1.1\r\nX: a\0b\r\n\r\n"s,
                                 "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"s, head_with(kBobs) + head_with(kBobs), head_with(kBobs, "Cookie: again\r\n"),
                                 "POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"s}) {
    again();
    earn_trust();
    read(bob, odd);
    read(alice, head_with(kAlices));
    ask_for_alice();
    expect_open();
  }
}

TEST_F(Contents, do_not_name_anybody_while_more_of_a_body_is_unseen) {
  earn_trust();
  read(bob, "PUT /x HTTP/1.1\r\nContent-Length: 100\r\n\r\n", 50);
  read(alice, head_with(kAlices));
  ask_for_alice();
  expect_open();
}

TEST_F(Contents, do_not_name_anybody_once_bytes_of_another_client_are_missing) {
  earn_trust();
  ++positions[bob];
  read(bob, head_with(kBobs));
  read(alice, head_with(kAlices));
  ask_for_alice();
  expect_open();
}

TEST_F(Contents, name_a_client_beside_one_who_has_asked_nothing_yet) {
  earn_trust();
  read(alice, head_with(kAlices));
  ask_for_alice();
  expect_alice();
}

TEST_F(Contents, do_not_name_anybody_beside_a_client_of_whom_nothing_was_told) {
  earn_trust();
  client(40002, "", false);
  read(alice, head_with(kAlices));
  ask_for_alice();
  expect_open();
}

TEST_F(Contents, do_not_name_anybody_beside_a_plaintext_client) {
  earn_trust();
  scene().plaintext_client(40003);
  read(alice, head_with(kAlices));
  ask_for_alice();
  expect_open();
}

TEST_F(Contents, do_not_name_anybody_beside_a_client_older_than_the_agent) {
  earn_trust();
  ConnectionOpened older;
  older.actor = {kNginx, kNginx};
  older.id = 4711;
  older.role = Role::kIngress;
  older.predates_agent = true;
  older.local = tcp("10.0.0.1", 443);
  older.remote = tcp("203.0.113.9", 41000);
  scene().give(older);
  read(alice, head_with(kAlices));
  ask_for_alice();
  expect_open();
}

TEST_F(Contents, do_not_name_anybody_after_a_loss_until_all_have_come_anew) {
  earn_trust();
  read(alice, head_with(kAlices));
  scene().give(RecordsLost{scene().now_ns, ++scene().now_ns, 1});
  read(alice, head_with(kAlices));
  ask_for_alice();
  expect_open();
}

TEST_F(Contents, do_not_name_a_client_part_of_whose_head_the_request_lacks) {
  earn_trust();
  read(alice, head_with(kAlices, "X-Tenant: one\r\n"));
  read(bob, head_with(kBobs));
  ask_for_alice(head_with(kAlices));
  expect_open();
}

TEST_F(Contents, do_not_name_a_client_who_asked_in_another_way) {
  earn_trust();
  read(alice, "HEAD /orders HTTP/1.1\r\nHost: shop\r\nCookie: session=9f4d27b1c08e6a35\r\n\r\n");
  read(bob, head_with(kBobs));
  ask_for_alice(head_with("session=9f4d27b1c08e6a35"));
  expect_open();
}

TEST_F(Contents, do_not_name_a_client_whose_head_came_after_the_request) {
  earn_trust();
  read(bob, head_with(kBobs));
  const auto [upstream, backend] = scene().upstream(port++);
  scene().send(upstream, 1, 7000, Witness{bob, 2, 300});
  const std::string late = head_with("session=9f4d27b1c08e6a35");
  read(alice, late);
  RequestSeen seen;
  seen.time_ns = ++scene().now_ns;
  seen.actor = {kDjango, kDjango};
  seen.id = backend;
  seen.position = 7000;
  seen.head.print = std::make_shared<const HeadPrint>(*print_head(late));
  scene().give(seen);
  scene().response(backend);
  scene().pass(2'100 * kMs);
  expect_open();
}

TEST_F(Contents, do_not_name_a_client_by_a_value_that_the_process_adds_for_others_too) {
  earn_trust();
  const std::string added = "Cookie: gate=4f9d27b1c08e6a35a7\r\n";
  read(bob, "GET /orders HTTP/1.1\r\nHost: shop\r\n\r\n");
  ask_upstream("GET /orders HTTP/1.1\r\nHost: shop\r\n" + added + "\r\n", bob);
  scene().out = {};
  read(alice, "GET /orders HTTP/1.1\r\nHost: shop\r\n" + added + "\r\n");
  read(bob, "GET /orders HTTP/1.1\r\nHost: shop\r\n\r\n");
  ask_upstream("GET /orders HTTP/1.1\r\nHost: shop\r\n" + added + "\r\n", 0);
  expect_open();
}

TEST_F(Contents, that_contradict_the_sockets_are_not_believed) {
  earn_trust();
  for (int i = 0; i < 8; ++i) {
    read(alice, head_with(kAlices));
    read(bob, head_with(kBobs));
    ask_upstream(head_with(kAlices), bob);
  }
  scene().out = {};
  read(alice, head_with(kAlices));
  ask_for_alice();
  expect_open();
}

TEST_F(Contents, that_come_behind_a_connections_end_are_not_its_clients) {
  earn_trust();
  scene().give(ConnectionClosed{++scene().now_ns, alice});
  read(alice, head_with(kAlices));
  read(bob, head_with(kBobs));
  ask_for_alice();
  expect_open();
}

TEST_F(Contents, of_a_client_with_more_than_can_be_kept_may_be_anything) {
  earn_trust();
  for (int i = 0; i < 4000; ++i) {
    std::string noise;
    for (std::uint64_t word = 1; word <= 8; ++word) noise += std::to_string((static_cast<std::uint64_t>(i) * 8 + word) * 0x9E3779B97F4A7C15u);
    read(bob, head_with(noise));
  }
  read(alice, head_with(kAlices));
  ask_for_alice();
  expect_open();
}

}  // namespace
}  // namespace mtlswatch
