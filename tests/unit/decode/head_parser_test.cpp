// SPDX-License-Identifier: Apache-2.0
#include "userspace/decode/head_parser.h"

#include <gtest/gtest.h>

#include <string>

namespace mtlswatch {
namespace {

RequestHead parse(const std::string& fields, const std::string& line = "GET / HTTP/1.1") {
  const HeadParser parser({"X-SSL-Client-Verify", "SSL_CLIENT_S_DN", "Cookie", "authorization"});
  return parser.parse(line + "\r\n" + fields + "\r\n", true).head;
}

TEST(HeadParser, splits_the_target) {
  const RequestHead head = parse("Host: a.Example:8000\r\n", "GET /p;x?a=/b?c HTTP/1.1");
  EXPECT_EQ(head.path, "/p;x");
  EXPECT_EQ(head.query, "a=/b?c");
  EXPECT_EQ(head.host, "a.example");
}

TEST(HeadParser, takes_path_and_host_from_an_absolute_target) {
  const RequestHead head = parse("Host: other\r\n", "GET HTTP://user:pw@Shop.Example:80/p?q HTTP/1.1");
  EXPECT_EQ(head.host, "shop.example");
  EXPECT_EQ(head.path, "/p");
  EXPECT_EQ(parse("", "GET http://h HTTP/1.1").path, "/");
  EXPECT_EQ(parse("", "OPTIONS * HTTP/1.1").path, "*");
}

TEST(HeadParser, keeps_brackets_of_an_ipv6_host) {
  EXPECT_EQ(parse("Host: [::1]:8000\r\n").host, "[::1]");
  EXPECT_EQ(parse("Host: [::1]\r\n").host, "[::1]");
}

TEST(HeadParser, folds_names_of_identity_headers) {
  const RequestHead head = parse("x_ssl-client_VERIFY:  SUCCESS \r\nSsl-Client-S-Dn:CN=a\r\n");
  ASSERT_EQ(head.identity_headers.size(), 2u);
  EXPECT_EQ(head.identity_headers[0].name, "x_ssl-client_VERIFY");
  EXPECT_EQ(head.identity_headers[0].value, "SUCCESS");
  EXPECT_EQ(head.identity_headers[1].value, "CN=a");
}

TEST(HeadParser, never_keeps_cookies_or_authorization) {
  EXPECT_TRUE(parse("Cookie: a=b\r\nAuthorization: Basic x\r\n").identity_headers.empty());
}

TEST(HeadParser, ignores_lines_whose_name_is_no_token) {
  const RequestHead head = parse("X-SSL-Client-Verify : SUCCESS\r\n: x\r\nHost\r\n");
  EXPECT_TRUE(head.identity_headers.empty());
  EXPECT_EQ(head.host, "");
}

TEST(HeadParser, joins_folded_values_and_flags_them) {
  const RequestHead head = parse("X-SSL-Client-Verify: SUC\r\n CESS\r\n\tX\r\nHost: h\r\n");
  ASSERT_EQ(head.identity_headers.size(), 1u);
  EXPECT_EQ(head.identity_headers[0].value, "SUC CESS X");
  EXPECT_TRUE(head.anomalies.obsolete_folding);
  EXPECT_EQ(head.host, "h");
}

TEST(HeadParser, drops_an_oversized_identity_header_and_says_that_the_head_is_not_whole) {
  const RequestHead fits = parse("X-SSL-Client-Verify: " + std::string(4096, 'a') + "\r\n");
  EXPECT_EQ(fits.identity_headers.size(), 1u);
  EXPECT_EQ(fits.state, HeadState::kComplete);
  const RequestHead dropped = parse("X-SSL-Client-Verify: " + std::string(4097, 'a') + "\r\n");
  EXPECT_TRUE(dropped.identity_headers.empty());
  EXPECT_EQ(dropped.state, HeadState::kCut);
}

TEST(HeadParser, keeps_at_most_32_identity_headers) {
  std::string fields;
  for (int i = 0; i < 33; ++i) fields += "X-SSL-Client-Verify: v\r\n";
  const RequestHead head = parse(fields);
  EXPECT_EQ(head.identity_headers.size(), 32u);
  EXPECT_EQ(head.state, HeadState::kCut);
}

TEST(HeadParser, keeps_identifiers_only_if_short_and_printable) {
  EXPECT_EQ(parse("X-Request-ID: abc-1\r\nx-correlation-id: c\r\n").request_id, "abc-1");
  EXPECT_EQ(parse("X-Correlation-ID: c\r\n").correlation_id, "c");
  EXPECT_EQ(parse("X-Request-ID: " + std::string(128, 'a') + "\r\n").request_id.size(), 128u);
  EXPECT_EQ(parse("X-Request-ID: " + std::string(129, 'a') + "\r\n").request_id, "");
  EXPECT_EQ(parse("X-Request-ID: a\x01"
                  "b\r\n")
                .request_id,
            "");
}

TEST(HeadParser, validates_traceparent) {
  const std::string trace = "4bf92f3577b34da6a3ce929d0e0e4736", span = "00f067aa0ba902b7";
  const RequestHead head = parse("traceparent: 00-" + trace + "-" + span + "-01\r\n");
  EXPECT_EQ(head.trace_id, trace);
  EXPECT_EQ(head.span_id, span);
  EXPECT_EQ(parse("traceparent: ff-" + trace + "-" + span + "-01\r\n").trace_id, "");
  EXPECT_EQ(parse("traceparent: 00-" + std::string(32, '0') + "-" + span + "-01\r\n").trace_id, "");
  EXPECT_EQ(parse("traceparent: 00-" + trace + "-" + std::string(16, '0') + "-01\r\n").trace_id, "");
  EXPECT_EQ(parse("traceparent: 00-" + trace.substr(1) + "G-" + span + "-01\r\n").trace_id, "");
  EXPECT_EQ(parse("traceparent: 00-" + trace + "-" + span + "-01-x\r\n").trace_id, "");
}

TEST(HeadParser, reads_body_framing) {
  using Kind = BodyFraming::Kind;
  const HeadParser parser({});
  const auto framing = [&](const std::string& fields) {
    return parser.parse("POST / HTTP/1.1\r\n" + fields + "\r\n", true).body;
  };
  EXPECT_EQ(framing("").kind, Kind::kNone);
  EXPECT_EQ(framing("Content-Length: 12\r\n").length_bytes, 12u);
  EXPECT_EQ(framing("Content-Length: 12, 12\r\n").kind, Kind::kLength);
  EXPECT_EQ(framing("Content-Length: 12, 13\r\n").kind, Kind::kUnknown);
  EXPECT_EQ(framing("Content-Length: +12\r\n").kind, Kind::kUnknown);
  EXPECT_EQ(framing("Content-Length: 0x5\r\n").kind, Kind::kUnknown);
  EXPECT_EQ(framing("Content-Length: 18446744073709551616\r\n").kind, Kind::kUnknown);
  EXPECT_EQ(framing("Content_Length: 12\r\n").kind, Kind::kNone);
  EXPECT_EQ(framing("Transfer-Encoding: chunked\r\n").kind, Kind::kChunked);
  EXPECT_EQ(framing("Transfer-Encoding: chunked, gzip\r\n").kind, Kind::kUnknown);
  EXPECT_EQ(framing("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n").kind, Kind::kChunked);
}

TEST(HeadParser, does_not_tell_an_unfinished_line) {
  const HeadParser parser({"X-SSL-Client-Verify"});
  const auto parsed = parser.parse("GET /a HTTP/1.1\r\nHost: h\r\nX-SSL-Client-Verify: SUCC", false);
  EXPECT_EQ(parsed.head.state, HeadState::kCut);
  EXPECT_EQ(parsed.head.host, "h");
  EXPECT_TRUE(parsed.head.identity_headers.empty());
  EXPECT_EQ(parser.parse("GET /a?q", false).head.path, "/a");
}

}  // namespace
}  // namespace mtlswatch
