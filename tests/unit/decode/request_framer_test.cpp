// SPDX-License-Identifier: Apache-2.0
#include "userspace/decode/request_framer.h"

#include "tests/unit/decode/framer_fixture.h"

namespace mtlswatch {
namespace {

TEST_F(RequestFramerTest, reads_a_head_in_one_piece) {
  receive("GET /a?q=1 HTTP/1.1\r\nHost: h\r\n\r\n", true);
  ASSERT_EQ(requests_.size(), 1u);
  EXPECT_EQ(state(), HeadState::kComplete);
  EXPECT_EQ(requests_[0].position, 100u);
  EXPECT_EQ(requests_[0].head.path, "/a");
}

TEST_F(RequestFramerTest, reads_the_same_head_byte_by_byte_with_the_time_of_its_first) {
  const std::string head = "GET /a HTTP/1.1\r\nHost: Example\r\nX-SSL-Client-Verify: SUCCESS\r\n\r\n";
  for (std::size_t i = 0; i < head.size(); ++i) {
    EXPECT_TRUE(requests_.empty());
    receive(head.substr(i, 1), i == 0);
  }
  ASSERT_EQ(requests_.size(), 1u);
  EXPECT_EQ(requests_[0].time_ns, 1u);
  EXPECT_EQ(requests_[0].head.host, "example");
  ASSERT_EQ(requests_[0].head.identity_headers.size(), 1u);
  EXPECT_EQ(requests_[0].head.identity_headers[0].value, "SUCCESS");
}

TEST_F(RequestFramerTest, splits_pipelined_requests_and_tells_where_each_begins) {
  const std::string first = "POST /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", second = "GET /b HTTP/1.1\r\n\r\n";
  receive(first + second + second, true);
  EXPECT_EQ(paths(), (Paths{"/a", "/b", "/b"}));
  EXPECT_EQ(requests_[1].position, 100 + first.size());
  EXPECT_EQ(requests_[2].position, 100 + first.size() + second.size());
}

TEST_F(RequestFramerTest, continues_a_pipelined_head_in_the_next_turn) {
  receive("GET /a HTTP/1.1\r\n\r\nGET /b HT", true);
  receive("TP/1.1\r\n\r\n", true);
  EXPECT_EQ(paths(), (Paths{"/a", "/b"}));
}

TEST_F(RequestFramerTest, skips_empty_lines_before_a_request) {
  receive("\r\n\n", true);
  receive("\r\nGET /a HTTP/1.1\r\n\r\n");
  ASSERT_EQ(paths(), Paths{"/a"});
  EXPECT_EQ(requests_[0].position, 105u);
}

TEST_F(RequestFramerTest, does_not_take_a_body_for_a_request) {
  receive("POST /a HTTP/1.1\r\nContent-Length: 19\r\n\r\n", true);
  receive("GET /b HTTP/1.1\r\n\r\n", true);  // after 100 Continue the body is a turn of its own
  receive("GET /c HTTP/1.1\r\n\r\n", true);
  EXPECT_EQ(paths(), (Paths{"/a", "/c"}));
}

TEST_F(RequestFramerTest, counts_a_body_that_was_not_captured) {
  receive("POST /a HTTP/1.1\r\nContent-Length: 1000000\r\n\r\nx", true, 999);
  miss(1000000 - 1000);
  receive("GET /b HTTP/1.1\r\n\r\n", true);
  EXPECT_EQ(paths(), (Paths{"/a", "/b"}));
}

TEST_F(RequestFramerTest, waits_for_a_turn_when_bytes_past_a_body_are_missing) {
  receive("POST /a HTTP/1.1\r\nContent-Length: 10\r\n\r\n", true);
  miss(30);
  receive("GET /not-a-turn HTTP/1.1\r\n\r\n");
  receive("name=value", true);
  receive("GET /b HTTP/1.1\r\n\r\n", true);
  EXPECT_EQ(paths(), (Paths{"/a", "", "/b"}));
}

TEST_F(RequestFramerTest, tells_a_request_that_hides_behind_a_body) {
  const std::string head = "POST /a HTTP/1.1\r\nContent-Length: 30000\r\n\r\n";
  receive(head, true);
  const auto body_end = static_cast<std::uint32_t>(100 + head.size() + 30000);
  framer_->received_until(body_end, 7, requests_);
  framer_->received_until(body_end - 100, 7, requests_);
  EXPECT_EQ(paths(), Paths{"/a"}) << "all of it is the body";
  framer_->received_until(body_end + 40, 8, requests_);
  ASSERT_EQ(requests_.size(), 2u);
  EXPECT_EQ(requests_[1].head.state, HeadState::kCut);
  EXPECT_EQ(requests_[1].position, body_end);
  EXPECT_TRUE(framer_->lost());
  miss(30000 + 40);
  receive("GET /b HTTP/1.1\r\n\r\n", true);
  EXPECT_EQ(paths(), (Paths{"/a", "", "/b"}));
}

TEST_F(RequestFramerTest, takes_line_ends_behind_a_body_for_no_request) {
  receive("POST /a HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody", true);
  framer_->received_until(static_cast<std::uint32_t>(position_ + 2), 7, requests_);
  EXPECT_EQ(paths(), Paths{"/a"});
}

TEST_F(RequestFramerTest, follows_a_chunked_body) {
  receive("POST /a HTTP/1.1\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n5;x=\"y\"\r\nGET /\r\n00", true);
  receive("a\r\n\r\n\r\nGET /x\r\n0\r\nTrailer: 1\r\nOther: 2\r\n\r\nGET /b HTTP/1.1\r\n\r\n");
  EXPECT_EQ(paths(), (Paths{"/a", "/b"}));
}

TEST_F(RequestFramerTest, follows_a_chunk_whose_data_was_not_captured) {
  receive("POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n10000\r\n", true);
  miss(0x10000);
  receive("\r\n0\r\n\r\nGET /b HTTP/1.1\r\n\r\n", true);
  EXPECT_EQ(paths(), (Paths{"/a", "/b"}));
}

TEST_F(RequestFramerTest, loses_framing_where_a_chunk_header_is_missing) {
  receive("POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n", true);
  miss(0x10 + 4);
  receive("GET /b HTTP/1.1\r\n\r\n");
  receive("GET /c HTTP/1.1\r\n\r\n", true);
  EXPECT_EQ(paths(), (Paths{"/a", "/c"}));
}

TEST_F(RequestFramerTest, lets_transfer_encoding_win_and_flags_the_conflict) {
  receive("POST /a HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /b HTTP/1.1\r\n\r\n",
          true);
  EXPECT_EQ(paths(), (Paths{"/a", "/b"}));
  EXPECT_TRUE(requests_[0].head.anomalies.content_length_with_transfer_encoding);
}

TEST_F(RequestFramerTest, loses_framing_after_differing_content_lengths) {
  receive("POST /a HTTP/1.1\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nbodyGET /b HTTP/1.1\r\n\r\n", true);
  EXPECT_EQ(paths(), Paths{"/a"});
  EXPECT_TRUE(requests_[0].head.anomalies.repeated_content_length);
}

TEST_F(RequestFramerTest, crosses_the_wrap_of_tcp_positions) {
  at(0xfffffff0u);
  receive("POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\n", true);
  position_ &= 0xffffffffu;
  receive("abcGET /b HTTP/1.1\r\n\r\n", true);
  EXPECT_EQ(paths(), (Paths{"/a", "/b"}));
  EXPECT_EQ(requests_[0].position, 0xfffffff0u);
  EXPECT_EQ(requests_[1].position, 39u + 3 - 0x10);
}

TEST_F(RequestFramerTest, keeps_64_bit_positions_of_unix_sockets) {
  at(0x1fffffff0u, Start::kAtRequest, Positions::kUnix);
  receive("POST /a HTTP/1.1\r\nContent-Length: 8589934592\r\n\r\n", true);
  miss(8589934592u);
  receive("GET /b HTTP/1.1\r\n\r\n", true);
  ASSERT_EQ(paths(), (Paths{"/a", "/b"}));
  EXPECT_EQ(requests_[1].position, 0x1fffffff0u + 48 + 8589934592u);
}

TEST_F(RequestFramerTest, cuts_a_head_at_the_prefix_limit) {
  receive("GET /a HTTP/1.1\r\nCookie: " + std::string(2000, 'c'), true);
  for (int i = 0; i < 4; ++i) receive(std::string(2048, 'c'));
  ASSERT_EQ(requests_.size(), 1u);
  EXPECT_EQ(state(), HeadState::kCut);
  EXPECT_EQ(requests_[0].head.path, "/a");
  receive("GET /b HTTP/1.1\r\n\r\n", true);
  EXPECT_EQ(paths(), (Paths{"/a", "/b"}));
}

TEST_F(RequestFramerTest, cuts_a_second_head_where_the_turns_budget_ends) {
  receive("POST /a HTTP/1.1\r\nContent-Length: 8000\r\n\r\n", true);
  receive(std::string(8000, 'x') + "GET /b HTTP/1.1\r\nX: ");
  EXPECT_EQ(requests_.size(), 1u);
  receive(std::string(8192 - 41 - 8000 - 20, 'x'));
  ASSERT_EQ(paths(), (Paths{"/a", "/b"}));
  EXPECT_EQ(requests_[1].head.state, HeadState::kCut);
}

TEST_F(RequestFramerTest, cuts_a_head_that_could_not_be_read_to_its_end) {
  receive("GET /a HTTP/1.1\r\nHost: h\r\nX-SSL-Client-Ver", true, 100, true);
  ASSERT_EQ(requests_.size(), 1u);
  EXPECT_EQ(state(), HeadState::kCut);
  EXPECT_EQ(requests_[0].head.host, "h");
}

TEST_F(RequestFramerTest, does_not_cut_before_the_last_piece_of_a_cut_call) {
  receive("GET /a HTTP/1.1\r\nHost: h\r\n", true, 0, true);  // flagged, but nothing of this piece is missing
  receive("\r\n");
  ASSERT_EQ(requests_.size(), 1u);
  EXPECT_EQ(state(), HeadState::kComplete);
}

TEST_F(RequestFramerTest, cuts_a_head_at_a_gap_and_tells_no_half_target) {
  receive("GET /secret-par", true);
  miss(10);
  receive(" HTTP/1.1\r\n\r\n");
  ASSERT_EQ(requests_.size(), 1u);
  EXPECT_EQ(state(), HeadState::kCut);
  EXPECT_EQ(requests_[0].head.method, "GET");
  EXPECT_EQ(requests_[0].head.path, "");
}

TEST_F(RequestFramerTest, ignores_bytes_it_has_read_before) {
  receive("GET /a HT", true);
  position_ = 100;
  receive("GET /a HTTP/1.1\r\n\r\n");
  EXPECT_EQ(paths(), Paths{"/a"});
  EXPECT_EQ(state(), HeadState::kComplete);
}

TEST_F(RequestFramerTest, starts_at_a_turn_when_the_beginning_was_not_seen) {
  at(100, Start::kAtTurn);
  receive("GET /a HTTP/1.1\r\n\r\n");
  receive("{\"GET / HTTP/1.1\": 1}", true);
  EXPECT_TRUE(requests_.empty());
  receive("GET /b HTTP/1.1\r\n\r\n", true);
  EXPECT_EQ(paths(), Paths{"/b"});
}

TEST_F(RequestFramerTest, tells_unsupported_protocols_from_invalid_heads) {
  const std::vector<std::pair<std::string, HeadState>> cases = {
      {std::string("\x16\x03\x01\x02\x00\x01", 6), HeadState::kUnsupported},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", HeadState::kUnsupported},
      {std::string("\0\x50\x01\0", 4) + "REQUEST_METHOD", HeadState::kUnsupported},
      {"hello\r\n", HeadState::kInvalid},
      {"GET /a\r\n", HeadState::kInvalid},
      {"GET /a b HTTP/1.1\r\n", HeadState::kInvalid},
      {"GET /a HTTP/2.0\r\n", HeadState::kInvalid},
      {"{\"json\": 1}", HeadState::kInvalid},
  };
  for (const auto& [bytes, expected] : cases) {
    requests_.clear();
    at(100);
    receive(bytes, true);
    receive("GET /b HTTP/1.1\r\n\r\n");
    ASSERT_EQ(requests_.size(), 1u) << bytes;
    EXPECT_EQ(state(), expected) << bytes;
    EXPECT_EQ(requests_[0].head.method, "") << bytes;
  }
}

TEST_F(RequestFramerTest, says_nothing_more_once_opaque) {
  receive("GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", true);
  framer_->become_opaque();
  receive("GET /b HTTP/1.1\r\n\r\n", true);
  EXPECT_EQ(paths(), Paths{"/ws"});
}

TEST_F(RequestFramerTest, tolerates_bare_line_feeds) {
  receive("POST /a HTTP/1.1\nContent-Length: 2\n\nxxGET /b HTTP/1.0\n\n", true);
  EXPECT_EQ(paths(), (Paths{"/a", "/b"}));
  EXPECT_EQ(requests_[1].head.version, "1.0");
}

TEST_F(RequestFramerTest, passes_a_proxy_protocol_header_and_counts_it_with_the_first_request) {
  using std::string_view_literals::operator""sv;
  constexpr auto kVersion2 = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" "AAAABBBBCCDD"sv;
  for (const std::string_view header : {"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n"sv, kVersion2}) {
    for (const std::size_t step : {std::size_t{1}, std::size_t{5}, std::size_t{500}}) {
      at(100);
      requests_.clear();
      const std::string bytes = std::string(header) + "GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n";
      for (std::size_t from = 0; from < bytes.size(); from += step) receive(bytes.substr(from, step), from == 0);
      ASSERT_EQ(paths(), (Paths{"/a", "/b"})) << "in steps of " << step;
      EXPECT_EQ(requests_[0].position, 100u);
      EXPECT_EQ(requests_[1].position, 100 + header.size() + 19);
    }
  }
}

TEST_F(RequestFramerTest, takes_no_beginning_of_a_header_for_one) {
  for (const std::string_view text : {"PROPFIND /a HTTP/1.1\r\n\r\n", "\r\n\r\nGET /a HTTP/1.1\r\n\r\n"}) {
    at(100);
    requests_.clear();
    for (std::size_t from = 0; from < text.size(); ++from) receive(text.substr(from, 1), from == 0);
    EXPECT_EQ(paths(), Paths{"/a"}) << text;
  }
}

TEST_F(RequestFramerTest, a_proxy_protocol_header_comes_first_or_not_at_all) {
  receive("GET /a HTTP/1.1\r\n\r\nPROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\nGET /b HTTP/1.1\r\n\r\n", true);
  EXPECT_EQ(requests_.at(1).head.state, HeadState::kInvalid);
}

}  // namespace
}  // namespace mtlswatch
