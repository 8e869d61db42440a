// SPDX-License-Identifier: Apache-2.0
#include "userspace/decode/uwsgi_head.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/unit/builders/uwsgi.h"
#include "userspace/decode/head_parser.h"

namespace mtlswatch {
namespace {

using std::string_literals::operator""s;
using test::uwsgi_packet;

const std::vector<std::string> kIdentity = {"X-SSL-Client-Verify", "SSL_CLIENT_S_DN", "Cookie", "Authorization"};

ParsedHead parse(const std::string& packet) { return HeadParser(kIdentity).parse(packet, true); }
RequestHead head_of(const test::UwsgiVariables& variables) { return parse(uwsgi_packet(variables)).head; }

TEST(UwsgiHead, tells_what_an_http_head_tells) {
  const RequestHead head = head_of({{"QUERY_STRING", "a=1"},
                                    {"REQUEST_METHOD", "POST"},
                                    {"REQUEST_URI", "/a%20b?a=1"},
                                    {"PATH_INFO", "/a b"},
                                    {"SERVER_PROTOCOL", "HTTP/1.1"},
                                    {"HTTP_HOST", "Shop.Example:8443"},
                                    {"HTTP_X_REQUEST_ID", "id-1"},
                                    {"HTTP_TRACEPARENT", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}});
  EXPECT_EQ(head.state, HeadState::kComplete);
  EXPECT_EQ(head.method, "POST");
  EXPECT_EQ(head.path, "/a b");
  EXPECT_EQ(head.query, "a=1");
  EXPECT_EQ(head.version, "1.1");
  EXPECT_EQ(head.host, "shop.example");
  EXPECT_EQ(head.request_id, "id-1");
  EXPECT_EQ(head.trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
}

TEST(UwsgiHead, tells_the_path_that_django_routes_by_whatever_the_uri_says) {
  EXPECT_EQ(head_of({{"REQUEST_URI", "/health"}, {"PATH_INFO", "/admin"}}).path, "/admin");
  EXPECT_EQ(head_of({{"PATH_INFO", "/health"}, {"PATH_INFO", "/admin"}}).path, "/admin") << "the last one counts";
  EXPECT_EQ(head_of({{"SCRIPT_NAME", "/shop/"}, {"PATH_INFO", "/cart"}}).path, "/shop/cart");
  EXPECT_EQ(head_of({{"SCRIPT_NAME", "/hea"}, {"PATH_INFO", "lth"}}).path, "/hea/lth");
  EXPECT_EQ(head_of({{"REQUEST_URI", "/only?x"}}).path, "/only");
  EXPECT_EQ(head_of({{"REQUEST_METHOD", "GET"}}).path, "");
}

TEST(UwsgiHead, keeps_identities_from_headers_and_from_the_proxys_own_variables) {
  const auto headers = head_of({{"HTTP_X_SSL_CLIENT_VERIFY", "SUCCESS"},
                                {"SSL_CLIENT_S_DN", "CN=alice"},
                                {"HTTP_SSL_CLIENT_S_DN", "CN=forged"},
                                {"HTTP_COOKIE", "s=1"},
                                {"HTTP_AUTHORIZATION", "Basic x"},
                                {"REMOTE_USER", "alice"}})
                           .identity_headers;
  ASSERT_EQ(headers.size(), 3u);
  EXPECT_EQ(headers[0].name, "X-SSL-CLIENT-VERIFY");
  EXPECT_EQ(headers[0].value, "SUCCESS");
  EXPECT_EQ(headers[1].name, "SSL_CLIENT_S_DN");
  EXPECT_EQ(headers[2].name, "SSL-CLIENT-S-DN") << "a client's header is not the proxy's word";
}

TEST(UwsgiHead, has_the_body_that_content_length_says) {
  using Kind = BodyFraming::Kind;
  const auto body_of = [](const test::UwsgiVariables& variables) { return parse(uwsgi_packet(variables)).body; };
  EXPECT_EQ(body_of({{"CONTENT_LENGTH", ""}}).kind, Kind::kNone);
  EXPECT_EQ(body_of({{"CONTENT_LENGTH", "12"}, {"HTTP_CONTENT_LENGTH", "99"}}).length_bytes, 12u);
  EXPECT_EQ(body_of({{"CONTENT_LENGTH", "x"}}).kind, Kind::kUnknown);
  EXPECT_EQ(body_of({{"HTTP_TRANSFER_ENCODING", "chunked"}}).kind, Kind::kChunked);
}

TEST(UwsgiHead, is_told_apart_by_its_first_bytes) {
  const auto state_of = [](const std::string& text) { return read_uwsgi_packet(text).state; };
  EXPECT_EQ(state_of(uwsgi_packet({{"QUERY_STRING", ""}})), UwsgiState::kRecognised);
  EXPECT_EQ(state_of("\0\x10\0\0\x0c"s), UwsgiState::kNeedsMore);
  EXPECT_EQ(state_of("\0\x10\0\0\x0c\0QUERY_S"s), UwsgiState::kNeedsMore);
  EXPECT_EQ(state_of("\0\x10\0\0\x0c\0QUERY s"s), UwsgiState::kInvalid);
  EXPECT_EQ(state_of("\0\x10\0\0\0\0"s), UwsgiState::kInvalid);
  EXPECT_EQ(state_of("\0\x10\0\0\xff\xff"s), UwsgiState::kInvalid);
  EXPECT_EQ(state_of("\0\0\0\0\x01\0A\0\0"s), UwsgiState::kInvalid) << "the variable lies behind the packet";
  EXPECT_TRUE(may_be_uwsgi(uwsgi_packet({{"A", ""}}, 30)));
  for (const char* other : {"", "GET /", "\x16\x03\x01", "\x01\x01", "\x05\x04"}) EXPECT_FALSE(may_be_uwsgi(other));
}

TEST(UwsgiHead, never_reads_past_a_size_that_lies) {
  const std::string packet = uwsgi_packet({{"REQUEST_METHOD", "GET"}, {"PATH_INFO", "/a"}});
  for (std::size_t at = 0; at < packet.size(); ++at) {
    for (const char byte : {'\0', '\x01', '\x7f', '\xff'}) {
      std::string forged = packet;
      forged[at] = byte;
      const ParsedHead parsed = parse(forged);
      EXPECT_LE(parsed.head.path.size(), packet.size()) << at;
    }
  }
  std::string longer = packet;
  longer[packet.size() - 4] = 3;  // the last value ends behind the packet
  EXPECT_EQ(parse(longer).head.state, HeadState::kInvalid);
  EXPECT_EQ(parse(longer).head.method, "");
}

TEST(UwsgiHead, of_a_cut_packet_tells_whole_variables_only) {
  const std::string packet =
      uwsgi_packet({{"REQUEST_METHOD", "GET"}, {"HTTP_X_REQUEST_ID", "id-1"}, {"PATH_INFO", "/a"}});
  for (std::size_t size = 1; size < packet.size(); ++size) {
    const RequestHead head = parse(packet.substr(0, size)).head;
    EXPECT_NE(head.state, HeadState::kComplete) << size;
    EXPECT_THAT(head.request_id, testing::AnyOf("", "id-1")) << size;
    EXPECT_EQ(head.path, "") << size;
  }
}

}  // namespace
}  // namespace mtlswatch
