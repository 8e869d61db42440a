// SPDX-License-Identifier: Apache-2.0
// The content witness: whose request goes upstream, by what a process has read from its clients.
#include "tests/unit/correlate/content_fixture.h"

namespace mtlswatch {
namespace {

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
  const auto [upstream, backend] = scene().upstream(next_port++);
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

}  // namespace
}  // namespace mtlswatch
