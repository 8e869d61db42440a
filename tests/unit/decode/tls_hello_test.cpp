// SPDX-License-Identifier: Apache-2.0
#include "userspace/decode/tls_hello.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/builders/records.h"
#include "tests/unit/decode/openssl_fixture.h"

namespace mtlswatch {
namespace {

using test::bytes_of;
using test::Handshake;

TEST(ClientHello, tells_name_and_protocols) {
  Handshake handshake(TLS1_3_VERSION);
  handshake.run();
  ASSERT_TRUE(handshake.established);
  const auto parse = parse_client_hello(bytes_of(handshake.client_flights.at(0)));
  ASSERT_EQ(parse.state, HelloState::kDone);
  EXPECT_EQ(parse.hello.server_name, "shop.example");
  EXPECT_THAT(parse.hello.alpn, testing::ElementsAre("h2", "http/1.1"));
  EXPECT_EQ(parse.hello.session_id.size(), 32u);
  EXPECT_FALSE(parse.hello.has_pre_shared_key);
  EXPECT_FALSE(parse.hello.has_session_ticket);
}

TEST(ClientHello, tells_a_tls_1_3_resumption) {
  Handshake handshake(TLS1_3_VERSION);
  handshake.run();
  const auto session = std::move(handshake.session);
  handshake.run([&](SSL* client) { SSL_set_session(client, session.get()); });
  EXPECT_TRUE(parse_client_hello(bytes_of(handshake.client_flights.at(0))).hello.has_pre_shared_key);
  EXPECT_TRUE(parse_server_hello(bytes_of(handshake.server_flights.at(0))).hello.selected_pre_shared_key);
}

TEST(ClientHello, tells_a_tls_1_2_ticket) {
  Handshake handshake(TLS1_2_VERSION);
  handshake.run();
  const auto session = std::move(handshake.session);
  handshake.run([&](SSL* client) { SSL_set_session(client, session.get()); });
  const ClientHello hello = parse_client_hello(bytes_of(handshake.client_flights.at(0))).hello;
  EXPECT_TRUE(hello.has_session_ticket);
  EXPECT_FALSE(hello.has_pre_shared_key);
  const ServerHello answer = parse_server_hello(bytes_of(handshake.server_flights.at(0))).hello;
  EXPECT_EQ(answer.session_id, hello.session_id);  // how TLS 1.2 says that it resumes
}

TEST(ClientHello, asks_for_more_at_every_cut_and_never_says_less_than_it_knows) {
  Handshake handshake(TLS1_3_VERSION);
  handshake.run();
  const std::string& flight = handshake.client_flights.at(0);
  for (std::size_t size = 0; size < flight.size(); ++size) {
    const auto parse = parse_client_hello(bytes_of(flight).first(size));
    ASSERT_EQ(parse.state, HelloState::kNeedsMore) << size;
    EXPECT_TRUE(parse.hello.server_name.empty() || parse.hello.server_name == "shop.example") << size;
  }
  EXPECT_EQ(parse_client_hello(bytes_of(flight).first(flight.size() - 1)).hello.server_name, "shop.example");
}

TEST(ClientHello, is_joined_from_several_records) {
  Handshake handshake(TLS1_3_VERSION);
  handshake.run();
  const std::string& flight = handshake.client_flights.at(0);
  std::string split;
  for (std::size_t at = 5; at < flight.size(); at += 50) {
    const std::string fragment = flight.substr(at, 50);
    split += std::string("\x16\x03\x01\x00", 4) + static_cast<char>(fragment.size()) + fragment;
  }
  const auto parse = parse_client_hello(bytes_of(split));
  EXPECT_EQ(parse.state, HelloState::kDone);
  EXPECT_EQ(parse.hello.server_name, "shop.example");
}

TEST(ClientHello, is_invalid_if_it_is_something_else) {
  EXPECT_EQ(parse_client_hello(bytes_of("GET / HTTP/1.1\r\n")).state, HelloState::kInvalid);
  EXPECT_EQ(parse_client_hello(bytes_of({"\x15\x03\x01\x00\x02\x02\x28", 7})).state, HelloState::kInvalid);
  EXPECT_EQ(parse_client_hello(bytes_of({"\x16\x03\x01\x00\x04\x02\x00\x00\x00", 9})).state, HelloState::kInvalid);
  EXPECT_EQ(parse_client_hello(bytes_of({"\x16\x03\x01\x00\x04\x01\x00\x00\x00", 9})).state, HelloState::kInvalid);
}

TEST(ServerHello, tells_version_suite_and_group_of_tls_1_3) {
  Handshake handshake(TLS1_3_VERSION);
  SSL_CTX_set_ciphersuites(handshake.server_context(), "TLS_AES_256_GCM_SHA384");
  SSL_CTX_set1_groups_list(handshake.client_context(), "X25519");
  handshake.run();
  const auto parse = parse_server_hello(bytes_of(handshake.server_flights.at(0)));
  ASSERT_EQ(parse.state, HelloState::kDone);
  EXPECT_EQ(parse.hello.version, 0x0304);
  EXPECT_EQ(parse.hello.cipher_suite, 0x1302);
  EXPECT_EQ(parse.hello.group, 29);
  EXPECT_FALSE(parse.hello.selected_pre_shared_key);
  EXPECT_FALSE(parse.hello.is_retry_request);
  EXPECT_EQ(parse.hello.alpn, "");
}

TEST(ServerHello, tells_version_suite_and_protocol_of_tls_1_2) {
  Handshake handshake(TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(handshake.server_context(), "ECDHE-ECDSA-AES128-GCM-SHA256");
  handshake.run();
  const auto parse = parse_server_hello(bytes_of(handshake.server_flights.at(0)).first(256));
  ASSERT_EQ(parse.state, HelloState::kDone);
  EXPECT_EQ(parse.hello.version, 0x0303);
  EXPECT_EQ(parse.hello.cipher_suite, 0xC02B);
  EXPECT_EQ(parse.hello.group, 0);
  EXPECT_EQ(parse.hello.alpn, "http/1.1");
}

TEST(ClientHello, tells_the_groups_it_offers_without_reserved_ones) {
  Handshake handshake(TLS1_3_VERSION);
  SSL_CTX_set1_groups_list(handshake.client_context(), "X25519:P-384");
  handshake.run();
  std::string flight = handshake.client_flights.at(0);
  EXPECT_THAT(parse_client_hello(bytes_of(flight)).hello.groups, testing::ElementsAre(29, 24));
  const auto list = flight.find(std::string("\x00\x0a\x00\x06\x00\x04\x00\x1d", 8));
  ASSERT_NE(list, std::string::npos);
  flight.replace(list + 6, 2, "\x3a\x3a");
  EXPECT_THAT(parse_client_hello(bytes_of(flight)).hello.groups, testing::ElementsAre(24));
}

TEST(ServerHello, of_which_the_end_is_missing_is_said_to_be_cut) {
  Handshake handshake(TLS1_3_VERSION);
  handshake.run();
  const std::string &client = handshake.client_flights.at(0), &server = handshake.server_flights.at(0);
  EXPECT_FALSE(parse_client_hello(bytes_of(client)).hello.cut);
  EXPECT_TRUE(parse_client_hello(bytes_of(client).first(client.size() - 1)).hello.cut);
  EXPECT_FALSE(parse_server_hello(bytes_of(server)).hello.cut);
  EXPECT_TRUE(parse_server_hello(bytes_of(server).first(100)).hello.cut);
}

TEST(ServerHello, recognises_a_retry_request) {
  Handshake handshake(TLS1_3_VERSION);
  SSL_CTX_set1_groups_list(handshake.client_context(), "X25519:P-384");
  SSL_CTX_set1_groups_list(handshake.server_context(), "P-384");
  handshake.run();
  ASSERT_TRUE(handshake.established);
  const auto parse = parse_server_hello(bytes_of(handshake.server_flights.at(0)));
  EXPECT_EQ(parse.state, HelloState::kDone);
  EXPECT_TRUE(parse.hello.is_retry_request);
  EXPECT_EQ(parse.hello.group, 24);
  EXPECT_FALSE(parse_server_hello(bytes_of(handshake.server_flights.at(1))).hello.is_retry_request);
}

TEST(ServerHello, says_tls_1_3_even_if_cut_before_its_extensions) {
  Handshake handshake(TLS1_3_VERSION);
  handshake.run();
  const auto parse = parse_server_hello(bytes_of(handshake.server_flights.at(0)).first(80));
  EXPECT_EQ(parse.state, HelloState::kNeedsMore);
  EXPECT_TRUE(parse.useful);
  EXPECT_EQ(parse.hello.version, 0x0304);
}

}  // namespace
}  // namespace mtlswatch
