// SPDX-License-Identifier: Apache-2.0
// The content witness names nobody while a client may have sent what is not known.
#include "tests/unit/correlate/content_fixture.h"

namespace mtlswatch {
namespace {

using namespace std::string_literals;

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
