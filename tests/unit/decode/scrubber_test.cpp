// SPDX-License-Identifier: Apache-2.0
#include "userspace/decode/scrubber.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/unit/builders/records.h"
#include "tests/unit/builders/uwsgi.h"
#include "tests/unit/decode/openssl_fixture.h"

namespace mtlswatch {
namespace {

using test::data_of;

const DecoderConfig kConfig{.identity_headers = {"X-SSL-Client-Verify", "Client-Cert"}, .connection_limit = 8};

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

TEST_F(ScrubberTest, keeps_of_uwsgi_variables_what_it_keeps_of_headers) {
  open();
  const auto packet = [](const std::string& query, const std::string& cookie) {
    return test::uwsgi_packet({{"QUERY_STRING", query},
                               {"REQUEST_METHOD", "GET"},
                               {"REQUEST_URI", "/a?" + query},
                               {"PATH_INFO", "/a"},
                               {"HTTP_COOKIE", cookie},
                               {"HTTP_AUTHORIZATION", cookie},
                               {"REMOTE_USER", cookie},
                               {"HTTP_X_SSL_CLIENT_VERIFY", "SUCCESS"},
                               {"CLIENT_CERT", ":a:"},
                               {"CONTENT_LENGTH", "6"}});
  };
  EXPECT_EQ(at_backend(packet("k=v", "s=1") + "secret"), packet("***", "***") + "******");
}

TEST_F(ScrubberTest, masks_uwsgi_values_that_come_in_pieces) {
  const std::string packet = test::uwsgi_packet({{"QUERY_STRING", "secret"}, {"REQUEST_URI", "/a?secret"}, {"bad name", "x"}});
  const std::string masked = test::uwsgi_packet({{"QUERY_STRING", "******"}, {"REQUEST_URI", "/a?******"}, {"********", "*"}});
  constexpr std::uint32_t later = MTLSWATCH_IO_BACKEND, first = later | MTLSWATCH_IO_TURN;
  std::uint64_t cookie = 100;
  for (std::size_t cut = 8; cut < packet.size(); ++cut) {
    auto opened = test::connection_record({.cookie = ++cookie});
    scrubber_.scrub(opened);
    std::string after;
    for (const std::string& part : {packet.substr(0, cut), packet.substr(cut)}) {
      auto record = test::io_record({.cookie = cookie,
                                     .position = after.size(),
                                     .flags = after.empty() ? first : later,
                                     .data = part});
      scrubber_.scrub(record);
      after += data_of(record);
    }
    EXPECT_EQ(after.size(), masked.size());
    EXPECT_EQ(after.find("secret"), std::string::npos) << cut;
    EXPECT_EQ(after.substr(0, packet.size() - 14), masked.substr(0, packet.size() - 14)) << cut;
  }
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

}  // namespace
}  // namespace mtlswatch
