// SPDX-License-Identifier: Apache-2.0
#include "userspace/decode/connection_beginning.h"

#include <gtest/gtest.h>

#include "tests/unit/builders/records.h"
#include "tests/unit/decode/openssl_fixture.h"

namespace mtlswatch {
namespace {

using std::string_literals::operator""s;

/// The first bytes of one ingress connection of a front.
class ConnectionBeginningTest : public testing::Test {
 protected:
  void receive(std::string_view text, std::uint32_t uncaptured = 0, bool cut = false) {
    const auto length = static_cast<std::uint32_t>(text.size()) + uncaptured;
    beginning_.receive({position_, time_ns_++, length, test::bytes_of(text), false, cut}, events_, nullptr);
    position_ += length;
  }
  void send(std::string_view text, std::uint32_t uncaptured = 0) {
    const auto length = static_cast<std::uint32_t>(text.size()) + uncaptured;
    beginning_.send({0, time_ns_++, length, test::bytes_of(text), true, false}, events_, nullptr);
  }
  template <typename T>
  std::vector<T> all() const {
    std::vector<T> found;
    for (const Event& event : events_) {
      if (const T* value = std::get_if<T>(&event)) found.push_back(*value);
    }
    return found;
  }
  std::vector<FirstBytes> kinds() const {
    std::vector<FirstBytes> kinds;
    for (const auto& event : all<ConnectionBegan>()) kinds.push_back(event.kind);
    return kinds;
  }

  ConnectionBeginning beginning_{7};
  std::uint64_t position_ = 0xfffffffe;
  std::uint64_t time_ns_ = 1;
  std::vector<Event> events_;
};

using Kinds = std::vector<FirstBytes>;

TEST_F(ConnectionBeginningTest, tells_the_protocol_however_the_bytes_arrive) {
  const std::vector<std::pair<std::string, FirstBytes>> cases = {
      {"\x16\x03\x01\x02\x00"s, FirstBytes::kTls},
      {"GET / HTTP/1.1\r\n", FirstBytes::kHttp1},
      {"PUT /x", FirstBytes::kHttp1},
      {"PROPFIND /x", FirstBytes::kHttp1},
      {"CONNECT host:443 HTTP/1.1\r\n", FirstBytes::kHttp1},
      {"\r\nGET http://h/ HTTP/1.1\r\n", FirstBytes::kHttp1},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", FirstBytes::kHttp2},
      {"PROXY TCP4 192.0.2.1", FirstBytes::kProxyProtocol},
      {"\r\n\r\n\0\r\nQUIT\n\x21\x11"s, FirstBytes::kProxyProtocol},
      {"SSH-2.0-OpenSSH_9.2 Debian\r\n", FirstBytes::kOther},
      {"\x05\x01\x00"s, FirstBytes::kOther},
      {"\x16\x05"s, FirstBytes::kOther},
      {std::string(25, 'A'), FirstBytes::kOther},
  };
  for (const auto& [bytes, kind] : cases) {
    events_.clear();
    beginning_ = ConnectionBeginning(7);
    receive(bytes);
    EXPECT_EQ(kinds(), Kinds{kind}) << bytes;
    events_.clear();
    beginning_ = ConnectionBeginning(7);
    for (const char byte : bytes) receive({&byte, 1});
    EXPECT_EQ(kinds(), Kinds{kind}) << bytes;
  }
}

TEST_F(ConnectionBeginningTest, reads_a_hello_that_comes_in_two_reads) {
  test::Handshake handshake(TLS1_3_VERSION);
  handshake.run();
  const std::string& hello = handshake.client_flights.at(0);
  receive(hello.substr(0, 5));
  EXPECT_EQ(kinds(), Kinds{FirstBytes::kTls});
  EXPECT_TRUE(all<ClientHelloSeen>().empty());
  receive(hello.substr(5));
  ASSERT_EQ(all<ClientHelloSeen>().size(), 1u);
  EXPECT_EQ(all<ClientHelloSeen>()[0].hello.server_name, "shop.example");
  send(handshake.server_flights.at(0).substr(0, 256), 1000);
  ASSERT_EQ(all<ServerHelloSeen>().size(), 1u);
  EXPECT_EQ(all<ServerHelloSeen>()[0].hello.version, 0x0304);
  EXPECT_TRUE(beginning_.done());
}

TEST_F(ConnectionBeginningTest, reads_a_hello_of_post_quantum_size_in_three_reads) {
  test::Handshake handshake(TLS1_3_VERSION);
  handshake.run([](SSL* client) {
    std::string names;
    for (int count = 0; count < 15; ++count) names += '\xc8' + std::string(200, 'n');
    SSL_set_alpn_protos(client, reinterpret_cast<const unsigned char*>(names.data()), static_cast<unsigned>(names.size()));
  });
  const std::string& hello = handshake.client_flights.at(0);
  ASSERT_GT(hello.size(), 3000u);
  receive(hello.substr(0, 5));
  receive(hello.substr(5, 1448));
  EXPECT_TRUE(all<ClientHelloSeen>().empty());
  receive(hello.substr(5 + 1448, 1448));
  receive(hello.substr(5 + 1448 + 1448));
  ASSERT_EQ(all<ClientHelloSeen>().size(), 1u);
  EXPECT_FALSE(all<ClientHelloSeen>()[0].hello.cut);
  EXPECT_EQ(all<ClientHelloSeen>()[0].hello.server_name, "shop.example");
}

TEST_F(ConnectionBeginningTest, tells_both_server_hellos_of_a_retry) {
  test::Handshake handshake(TLS1_3_VERSION);
  SSL_CTX_set1_groups_list(handshake.client_context(), "X25519:P-384");
  SSL_CTX_set1_groups_list(handshake.server_context(), "P-384");
  handshake.run();
  receive(handshake.client_flights.at(0));
  send(handshake.server_flights.at(0));
  send(handshake.server_flights.at(1).substr(0, 256), 1);
  ASSERT_EQ(all<ServerHelloSeen>().size(), 2u);
  EXPECT_TRUE(all<ServerHelloSeen>()[0].hello.is_retry_request);
  EXPECT_FALSE(all<ServerHelloSeen>()[1].hello.is_retry_request);
}

TEST_F(ConnectionBeginningTest, tells_what_a_cut_hello_says) {
  test::Handshake handshake(TLS1_3_VERSION);
  handshake.run();
  receive(handshake.client_flights.at(0).substr(0, 90), 400, true);
  ASSERT_EQ(all<ClientHelloSeen>().size(), 1u);
  EXPECT_EQ(all<ClientHelloSeen>()[0].hello.server_name, "");
}

TEST_F(ConnectionBeginningTest, tells_an_unfinished_hello_when_it_is_answered) {
  test::Handshake handshake(TLS1_3_VERSION);
  handshake.run();
  const std::string& hello = handshake.client_flights.at(0);
  receive(hello.substr(0, hello.size() - 1));
  EXPECT_TRUE(all<ClientHelloSeen>().empty());
  send(handshake.server_flights.at(0).substr(0, 256), 1);
  ASSERT_EQ(events_.size(), 3u);
  EXPECT_TRUE(std::holds_alternative<ClientHelloSeen>(events_[1]));
  EXPECT_TRUE(std::holds_alternative<ServerHelloSeen>(events_[2]));
}

TEST_F(ConnectionBeginningTest, finds_the_hello_behind_a_proxy_header) {
  test::Handshake handshake(TLS1_3_VERSION);
  handshake.run();
  const std::vector<std::string> headers = {"PROXY TCP4 192.0.2.1 192.0.2.2 1000 443\r\n",
                                            "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"s + "abcdefghijkl"};
  for (const std::string& header : headers) {
    for (const std::size_t cut : {header.size(), header.size() - 3, header.size() + 3}) {
      events_.clear();
      beginning_ = ConnectionBeginning(7);
      const std::string all_bytes = header + handshake.client_flights.at(0);
      receive(all_bytes.substr(0, cut));
      receive(all_bytes.substr(cut));
      EXPECT_EQ(kinds(), (Kinds{FirstBytes::kProxyProtocol, FirstBytes::kTls})) << cut;
      ASSERT_EQ(all<ClientHelloSeen>().size(), 1u) << cut;
      EXPECT_EQ(all<ClientHelloSeen>()[0].hello.server_name, "shop.example");
    }
  }
}

TEST_F(ConnectionBeginningTest, says_nothing_of_bytes_it_did_not_get) {
  receive("", 5, true);
  receive("GET / HTTP/1.1\r\n");
  EXPECT_TRUE(events_.empty());
  beginning_ = ConnectionBeginning(7);
  receive("\x16");
  position_ += 100;
  receive("\x03");
  EXPECT_TRUE(events_.empty());
}

TEST_F(ConnectionBeginningTest, takes_no_hello_from_a_plaintext_server) {
  receive("GET / HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(beginning_.done());
  send("HTTP/1.1 200 OK\r\n");
  EXPECT_EQ(events_.size(), 1u);
}

}  // namespace
}  // namespace mtlswatch
