// SPDX-License-Identifier: Apache-2.0
#include "userspace/decode/scrubber.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "tests/unit/builders/records.h"
#include "tests/unit/decode/event_text.h"
#include "tests/unit/decode/openssl_fixture.h"

namespace mtlswatch {
namespace {

using std::string_literals::operator""s;

const DecoderConfig kConfig{.identity_headers = {"X-SSL-Client-Verify", "Client-Cert"}, .connection_limit = 8};

std::string data_of(const test::RawRecord& record) {
  mtlswatch_io io{};
  std::memcpy(&io, record.data(), std::min(record.size(), sizeof io));
  if (io.header.kind != MTLSWATCH_KIND_IO) return {};
  return {record.begin() + sizeof io, record.begin() + sizeof io + io.captured_bytes};
}

/// What is left of received text on a connection of a backend, or of a front.
class ScrubberTest : public testing::Test {
 protected:
  void open(std::uint8_t role = MTLSWATCH_ROLE_INGRESS) {
    auto record = test::connection_record({.role = role});
    scrubber_.scrub(record);
  }
  std::string scrubbed(std::string_view text, std::uint32_t flags) {
    auto record = test::io_record({.position = position_, .turn = turn_++, .flags = flags, .data = text});
    position_ += text.size();
    scrubber_.scrub(record);
    return data_of(record);
  }
  std::string at_backend(std::string_view text) { return scrubbed(text, MTLSWATCH_IO_BACKEND | MTLSWATCH_IO_TURN); }
  std::string at_front(std::string_view text) { return scrubbed(text, MTLSWATCH_IO_TURN); }

  Scrubber scrubber_{kConfig};
  std::uint64_t position_ = 0;
  std::uint64_t turn_ = 1;
};

TEST_F(ScrubberTest, keeps_the_allow_list_and_masks_the_rest_of_a_head) {
  open();
  EXPECT_EQ(at_backend("GET /a?k=v HTTP/1.1\r\nHost: h\r\nCookie: s=1\r\n more\r\nX-SSL-Client-Verify: OK\r\n\r\n"),
            "GET /a?*** HTTP/1.1\r\nHost: h\r\nCookie:****\r\n ****\r\nX-SSL-Client-Verify: OK\r\n\r\n");
}

TEST_F(ScrubberTest, masks_bodies) {
  open();
  EXPECT_EQ(at_backend("POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\npassGET /b HTTP/1.1\r\n\r\n"),
            "POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\n****GET /b HTTP/1.1\r\n\r\n");
  EXPECT_EQ(at_backend("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4;e=x\r\npass\r\n0\r\nT: x\r\n\r\n"),
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4;***\r\n****\r\n0\r\n****\r\n\r\n");
}

TEST_F(ScrubberTest, masks_a_value_that_continues_in_the_next_record) {
  open();
  EXPECT_EQ(at_backend("GET /a?to"), "GET /a?**");
  EXPECT_EQ(at_backend("ken HTTP/1.1\r\nCoo"), "*** HTTP/1.1\r\nCoo");
  EXPECT_EQ(at_backend("kie: a"), "kie:**");
  EXPECT_EQ(at_backend("b\r\n\r\n"), "*\r\n\r\n");
}

TEST_F(ScrubberTest, masks_user_information_even_before_it_is_known_to_be_some) {
  open();
  EXPECT_EQ(at_backend("GET http://me:pw@h/p HTTP/1.1\r\n\r\n"), "GET http://*****@h/p HTTP/1.1\r\n\r\n");
  EXPECT_EQ(at_backend("GET http://me:p"), "GET http://****");
  EXPECT_EQ(at_backend("w@h/p HTTP/1.1\r\n\r\n"), "*@h/p HTTP/1.1\r\n\r\n");
}

TEST_F(ScrubberTest, masks_what_is_no_request) {
  open();
  EXPECT_EQ(at_backend("password=hunter2&x"), "********=*********");
  EXPECT_EQ(at_backend("more secrets"), "************");
}

TEST_F(ScrubberTest, masks_lines_without_a_name) {
  open();
  EXPECT_EQ(at_backend("GET / HTTP/1.1\r\nbad name: v\r\n\r\n"), "GET / HTTP/1.1\r\n***********\r\n\r\n");
}

TEST_F(ScrubberTest, keeps_of_a_response_its_status) {
  open();
  const std::uint32_t send = MTLSWATCH_IO_SEND | MTLSWATCH_IO_BACKEND;
  EXPECT_EQ(scrubbed("HTTP/1.1 200 OK\r", send), "HTTP/1.1 200****");
  EXPECT_EQ(scrubbed("HTTP/1.1 secret!", send), "****************");
}

TEST_F(ScrubberTest, keeps_at_fronts_the_request_line_to_its_path) {
  open();
  EXPECT_EQ(at_front("GET /a/b?q=1 HTTP/1.1\r\nCookie: x\r\n"), "GET /a/b" + std::string(26, '*'));
  EXPECT_EQ(at_front("Cookie: y"), "*********");
}

TEST_F(ScrubberTest, keeps_hellos) {
  test::Handshake handshake(TLS1_3_VERSION);
  handshake.run();
  open();
  const std::string hello = handshake.client_flights.at(0), answer = handshake.server_flights.at(0).substr(0, 256);
  EXPECT_EQ(at_front(hello), hello);
  const std::size_t size = 5 + static_cast<std::size_t>(answer[4]);  // of its first record
  EXPECT_EQ(scrubbed(answer, MTLSWATCH_IO_SEND | MTLSWATCH_IO_TURN),
            answer.substr(0, size) + std::string(256 - size, '*'));
}

TEST_F(ScrubberTest, masks_all_bytes_of_connections_it_does_not_follow) {
  open(MTLSWATCH_ROLE_EGRESS);
  EXPECT_EQ(at_backend("GET / HTTP/1.1\r\n"), std::string(16, '*'));
  EXPECT_EQ(at_front("secret"), "******");
}

TEST_F(ScrubberTest, masks_the_payload_of_malformed_records) {
  auto record = test::io_record({.data = "secret"});
  record[offsetof(mtlswatch_io, captured_bytes) + 1] = 0xff;
  scrubber_.scrub(record);
  EXPECT_EQ(std::string(record.begin(), record.end()).find("secret"), std::string::npos);
}

/// Random traffic of a few connections: whole and broken requests, cut, lost and pipelined at random.
class RandomTraffic {
 public:
  explicit RandomTraffic(unsigned seed) : random_(seed) {}

  test::RawRecord next() {
    const std::size_t which = below(kConnections);
    Connection& connection = connections_[which];
    if (!connection.open || below(60) == 0) return open(which);
    if (below(4) == 0) return send(which);
    return receive(which);
  }

 private:
  static constexpr std::size_t kConnections = 6;
  struct Connection {
    bool open = false;
    std::uint32_t backend = 0;
    std::uint64_t cookie = 0, position = 0, turn = 0;
    bool turned = true;
    std::string pending = {};
  };

  std::size_t below(std::size_t limit) { return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random_); }
  std::string pick(std::initializer_list<std::string> choices) { return *(choices.begin() + below(choices.size())); }

  test::RawRecord open(std::size_t which) {
    Connection& connection = connections_[which];
    connection = {.open = true, .cookie = ++cookies_, .position = below(2) ? 0xffffff80u : 1000};
    connection.backend = below(3) != 0 ? MTLSWATCH_IO_BACKEND : 0;
    const auto role = static_cast<std::uint8_t>(below(5) == 0 ? below(4) : std::size_t{MTLSWATCH_ROLE_INGRESS});
    const auto flags = static_cast<std::uint8_t>(below(5) == 0 ? MTLSWATCH_CONNECTION_PREDATES : 0);
    return test::connection_record({.cookie = connection.cookie,
                                    .role = role,
                                    .flags = flags,
                                    .family = static_cast<std::uint16_t>(below(4) == 0 ? AF_UNIX : AF_INET)});
  }

  test::RawRecord send(std::size_t which) {
    Connection& connection = connections_[which];
    connection.turned = true;
    const std::string data = pick(
        {"HTTP/1.1 200 OK\r\n", "HTTP/1.1 100 Cont", "HTTP/1.1 Z~Z~Z~Z", "", "HTTP/1.1 101 Swit", "HTTP/1.0 404 Not "});
    const std::uint32_t turn = below(3) != 0 ? MTLSWATCH_IO_TURN : 0;
    return test::io_record({.cookie = connection.cookie,
                            .flags = connection.backend | MTLSWATCH_IO_SEND | turn,
                            .data = std::string_view(data).substr(0, 16),
                            .length = 20,
                            .time_ns = ++time_ns_});
  }

  test::RawRecord receive(std::size_t which) {
    Connection& connection = connections_[which];
    while (connection.pending.size() < 200) connection.pending += message();
    const std::size_t length =
        1 + (below(2) ? below(20) : below(std::min<std::size_t>(connection.pending.size(), 2048)));
    const std::size_t captured = below(12) == 0 ? below(length) : length;
    const std::uint32_t turn = connection.turned ? MTLSWATCH_IO_TURN : 0;
    const std::uint32_t cut = below(30) == 0 ? MTLSWATCH_IO_CUT : 0;
    if (turn != 0) ++connection.turn;
    connection.turned = false;
    auto record = test::io_record({.cookie = connection.cookie,
                                   .position = connection.position,
                                   .turn = connection.turn,
                                   .flags = connection.backend | turn | cut,
                                   .data = std::string_view(connection.pending).substr(0, captured),
                                   .length = static_cast<std::uint32_t>(length),
                                   .time_ns = ++time_ns_});
    connection.position += length;
    connection.pending.erase(0, length);
    if (below(40) == 0) {  // a receive of which nothing is told
      const std::size_t lost = below(connection.pending.size() + 1);
      connection.position += lost;
      connection.pending.erase(0, lost);
    }
    return record;
  }

  std::string message() {
    const std::string end = below(8) == 0 ? "\n" : "\r\n";
    std::string head = pick({"GET", "POST", "PROPFIND", "\r\nPUT"}) + " " +
                       pick({"/a", "/long/path/x;y", "*", "/\x80"}) + pick({"", "?Z~Z~Z~Z~", "?", "?Z~?Z~"}) +
                       " HTTP/1.1" + end;
    if (below(12) == 0) {
      head = pick({"GET", "GE T", "", "PRI"}) + " " + pick({"/a", "h:1", "", "/b c", "/tab\t", "*"}) + " " +
             pick({"HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/1.1 "}) + end;
    }
    for (std::size_t i = below(6); i > 0; --i) {
      head += pick({"Host: a.B:80", "Cookie: Z~Z~Z~Z~Z~", "Authorization: Z~ Z~Z~Z~", "x_ssl_client_verify: SUCCESS",
                    "Client-Cert:\t:abc:", "X-Request-ID: id", "X-Empty:", " folded", "Cookie: Z~Z~\r\n Z~Z~Z~",
                    "bad name: Z~Z~", "Content-Length: 0", "X-SSL-Client-Verify: a\r\n b",
                    "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}) +
              end;
    }
    const std::string body(1 + below(60), 'Z');
    switch (below(4)) {
      case 0:
        return head + "Content-Length: " + std::to_string(body.size()) + end + end + body;
      case 1:
        return head + "Transfer-Encoding: chunked" + end + end + "A;Z~Z~\r\nZ~Z~Z~Z~Z~\r\n0" + end +
               pick({"", "T: Z~Z~Z~" + end}) + end;
      case 2:
        return below(3) != 0 ? head + end
                             : pick({head, "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"s,
                                     "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x04Z~Z~"s, "PROXY TCP4 Z~Z~\r\n", "\0\x10\0\0"s});
      default:
        return head + end;
    }
  }

  std::mt19937 random_;
  Connection connections_[kConnections];
  std::uint64_t cookies_ = 0;
  std::uint64_t time_ns_ = 0;
};

TEST(Scrubbing, changes_no_event_of_random_traffic_but_queries) {
  std::size_t requests = 0, complete = 0, beginnings = 0;
  for (unsigned seed = 0; seed < 300; ++seed) {
    RandomTraffic traffic(seed);
    Decoder direct(kConfig), replayed(kConfig);
    Scrubber scrubber(kConfig);
    std::vector<Event> expected, actual;
    for (int step = 0; step < 300; ++step) {
      test::RawRecord record = traffic.next();
      expected.clear();
      actual.clear();
      direct.decode(record, expected);
      const std::string before = data_of(record);
      scrubber.scrub(record);
      replayed.decode(record, actual);
      ASSERT_EQ(expected.size(), actual.size()) << "seed " << seed << " step " << step << "\n"
                                                << before << "\n->\n"
                                                << data_of(record);
      for (std::size_t i = 0; i < expected.size(); ++i) {
        ASSERT_EQ(test::text_of(expected[i]), test::text_of(actual[i])) << "seed " << seed << " step " << step << "\n"
                                                                        << before << "\n->\n"
                                                                        << data_of(record);
        const auto* request = std::get_if<RequestSeen>(&expected[i]);
        requests += request != nullptr;
        complete += request != nullptr && request->head.state == HeadState::kComplete;
        beginnings += std::holds_alternative<ConnectionBegan>(expected[i]);
      }
    }
  }
  EXPECT_GT(requests, 2500u);  // the traffic is not all rubbish
  EXPECT_GT(complete, 1500u);
  EXPECT_GT(beginnings, 500u);
}

TEST(Scrubbing, lets_no_secret_of_random_traffic_through) {
  for (unsigned seed = 1000; seed < 1200; ++seed) {
    RandomTraffic traffic(seed);
    Scrubber scrubber(kConfig);
    for (int step = 0; step < 300; ++step) {
      test::RawRecord record = traffic.next();
      const std::string before = data_of(record);
      scrubber.scrub(record);
      const std::string after = data_of(record);
      ASSERT_EQ(after.find("Z~Z"), std::string::npos) << "seed " << seed << " step " << step << "\n"
                                                      << before << "\n->\n"
                                                      << after;
    }
  }
}

}  // namespace
}  // namespace mtlswatch
