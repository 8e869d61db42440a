// SPDX-License-Identifier: Apache-2.0
// Requests and responses of a backend's connection, from records.
#include "tests/unit/decode/decoder_fixture.h"

namespace mtlswatch {
namespace {

using std::string_literals::operator""s;

TEST_F(DecoderTest, tells_a_request_and_its_response) {
  decode(test::connection_record());
  decode(test::io_record({.position = 500, .flags = kReceive, .data = kHead}));
  decode(test::io_record({.flags = kSend, .data = "HTTP/1.1 204 No ", .length = 300}));
  ASSERT_EQ(all<RequestSeen>().size(), 1u);
  EXPECT_EQ(all<RequestSeen>()[0].position, 500u);
  EXPECT_EQ(all<RequestSeen>()[0].head.path, "/a");
  ASSERT_EQ(all<ResponseSeen>().size(), 1u);
  EXPECT_EQ(all<ResponseSeen>()[0].status, 204);
  EXPECT_TRUE(all<ResponseSeen>()[0].first_of_turn);
}

TEST_F(DecoderTest, joins_the_records_of_one_call) {
  decode(test::connection_record());
  const std::string head = "GET /a HTTP/1.1\r\nCookie: " + std::string(3000, 'c') + "\r\nHost: h\r\n\r\n";
  decode(test::io_record({.position = 500, .flags = kReceive, .data = std::string_view(head).substr(0, 2048)}));
  decode(
      test::io_record({.position = 2548, .flags = MTLSWATCH_IO_BACKEND, .data = std::string_view(head).substr(2048)}));
  ASSERT_EQ(all<RequestSeen>().size(), 1u);
  EXPECT_EQ(all<RequestSeen>()[0].head.state, HeadState::kComplete);
  EXPECT_EQ(all<RequestSeen>()[0].head.host, "h");
}

TEST_F(DecoderTest, skips_interim_responses) {
  decode(test::connection_record());
  decode(test::io_record({.flags = kReceive, .data = kHead}));
  decode(test::io_record({.flags = kSend, .data = "HTTP/1.1 100 Con"}));
  decode(test::io_record({.flags = kSend, .data = "HTTP/1.1 103 Ear"}));
  decode(test::io_record({.flags = kSend & ~MTLSWATCH_IO_TURN, .data = "HTTP/1.1 200 OK\r"}));
  ASSERT_EQ(all<ResponseSeen>().size(), 1u);
  EXPECT_EQ(all<ResponseSeen>()[0].status, 200);
  EXPECT_FALSE(all<ResponseSeen>()[0].first_of_turn);
}

TEST_F(DecoderTest, sees_no_requests_after_an_upgrade) {
  decode(test::connection_record());
  decode(test::io_record({.position = 0, .flags = kReceive, .data = kHead}));
  decode(test::io_record({.flags = kSend, .data = "HTTP/1.1 101 Swi"}));
  decode(test::io_record({.position = kHead.size(), .turn = 2, .flags = kReceive, .data = kHead}));
  decode(test::io_record({.flags = kSend, .length = 10}));
  EXPECT_EQ(all<RequestSeen>().size(), 1u);
  ASSERT_EQ(all<ResponseSeen>().size(), 1u);
  EXPECT_EQ(all<ResponseSeen>()[0].status, 101);
}

TEST_F(DecoderTest, tells_an_answer_that_is_no_http) {
  decode(test::connection_record());
  decode(test::io_record({.flags = kReceive, .data = "\0\x10\0\0"s}));
  decode(test::io_record({.flags = kSend, .length = 10}));
  decode(test::io_record({.flags = kSend & ~MTLSWATCH_IO_TURN, .length = 10}));
  EXPECT_EQ(all<RequestSeen>().at(0).head.state, HeadState::kUnsupported);
  ASSERT_EQ(all<ResponseSeen>().size(), 1u);
  EXPECT_EQ(all<ResponseSeen>()[0].status, 0);
}

TEST_F(DecoderTest, tells_one_answer_of_a_body_that_is_read_while_it_is_answered) {
  decode(test::connection_record());
  const std::string head = "POST /a HTTP/1.1\r\nContent-Length: 20\r\n\r\n";
  decode(test::io_record({.position = 0, .flags = kReceive, .data = head}));
  decode(test::io_record({.flags = kSend, .data = "HTTP/1.1 200 OK\r"}));
  decode(test::io_record({.position = head.size(), .turn = 2, .flags = kReceive, .length = 10}));
  decode(test::io_record({.turn = 2, .flags = kSend, .length = 5}));
  EXPECT_EQ(all<ResponseSeen>().size(), 1u);
}

TEST_F(DecoderTest, does_not_answer_a_request_read_ahead_with_the_rest_of_another_response) {
  decode(test::connection_record());
  decode(test::io_record({.position = 0, .flags = kReceive, .data = kHead}));
  decode(test::io_record({.flags = kSend, .data = "HTTP/1.1 200 OK\r"}));
  decode(test::io_record({.position = kHead.size(), .turn = 2, .flags = kReceive, .data = kHead}));
  decode(test::io_record({.turn = 2, .flags = kSend, .length = 5000}));
  decode(test::io_record({.turn = 2, .flags = kSend & ~MTLSWATCH_IO_TURN, .data = "HTTP/1.1 404 Not"}));
  ASSERT_EQ(all<ResponseSeen>().size(), 2u);
  EXPECT_EQ(all<ResponseSeen>()[1].status, 404);
}

TEST_F(DecoderTest, tells_a_request_that_came_unseen_behind_a_body_before_its_answer) {
  decode(test::connection_record());
  const std::string head = "POST /a HTTP/1.1\r\nContent-Length: 30000\r\n\r\n";
  decode(test::io_record({.position = 0, .flags = kReceive, .data = head}));
  const auto received = static_cast<std::uint32_t>(head.size() + 30000 + 50);
  decode(test::io_record({.flags = kSend, .data = "HTTP/1.1 200 OK\r", .received = received}));
  decode(test::io_record({.flags = kSend & ~MTLSWATCH_IO_TURN, .data = "HTTP/1.1 404 Not", .received = received}));
  ASSERT_EQ(all<RequestSeen>().size(), 2u);
  EXPECT_EQ(all<RequestSeen>()[1].position, head.size() + 30000);
  ASSERT_EQ(all<ResponseSeen>().size(), 2u);
  EXPECT_EQ(all<ResponseSeen>()[1].status, 404);
}

TEST_F(DecoderTest, takes_a_status_line_for_an_answer_where_requests_may_be_unseen) {
  decode(test::connection_record());
  const std::string head = "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n";
  decode(test::io_record({.position = 0, .flags = kReceive, .data = head}));
  decode(test::io_record({.flags = kSend, .data = "HTTP/1.1 200 OK\r", .received = 30000}));
  decode(test::io_record({.flags = kSend & ~MTLSWATCH_IO_TURN, .data = "HTTP/1.1 404 Not", .received = 30000}));
  ASSERT_EQ(all<ResponseSeen>().size(), 2u);
  EXPECT_TRUE(all<ResponseSeen>()[1].first_of_turn);
}

TEST_F(DecoderTest, tells_an_unfinished_head_before_its_answer) {
  decode(test::connection_record());
  decode(test::io_record({.flags = kReceive, .data = "GET /a HTTP/1.1\r\nHost: h\r\nX: "}));
  EXPECT_TRUE(all<RequestSeen>().empty());
  decode(test::io_record({.flags = kSend, .data = "HTTP/1.1 400 Bad"}));
  ASSERT_EQ(all<RequestSeen>().size(), 1u);
  EXPECT_EQ(all<RequestSeen>()[0].head.state, HeadState::kCut);
  EXPECT_TRUE(std::holds_alternative<ResponseSeen>(events_.back()));
}

TEST_F(DecoderTest, does_not_cut_a_pipelined_head_because_its_predecessor_is_answered) {
  decode(test::connection_record());
  decode(test::io_record({.position = 0, .flags = kReceive, .data = "GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n"}));
  decode(test::io_record({.flags = kSend, .data = "HTTP/1.1 200 OK\r"}));
  decode(test::io_record({.position = 36, .turn = 2, .flags = kReceive, .data = "\r\n"}));
  ASSERT_EQ(all<RequestSeen>().size(), 2u);
  EXPECT_EQ(all<RequestSeen>()[1].head.state, HeadState::kComplete);
}

}  // namespace
}  // namespace mtlswatch
