// SPDX-License-Identifier: Apache-2.0
// What a process reads from a TLS client, piece by piece, and what ends all certainty about that client.
#include <algorithm>

#include "tests/unit/decode/decoder_fixture.h"
#include "userspace/decode/head_print.h"
#include "userspace/decode/scrubber.h"

namespace mtlswatch {
namespace {

constexpr std::string_view kPost = "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n";

class Content : public DecoderTest {
 protected:
  /// The next bytes that were read. hidden: so many more, not captured.
  ContentRead read(std::string_view data, std::uint32_t hidden = 0) {
    decode(test::content_record({.position = position_, .data = data, .length = static_cast<std::uint32_t>(data.size()) + hidden}));
    position_ += data.size() + hidden;
    const auto told = all<ContentRead>();
    EXPECT_FALSE(told.empty());
    return told.empty() ? ContentRead{} : told.back();
  }
  void skip(std::uint32_t bytes) { position_ += bytes; }

  std::uint64_t position_ = 0;
};

TEST_F(Content, tells_each_head_once_it_is_complete) {
  EXPECT_EQ(read("GET /a HTTP/1.1\r\nHo").head, nullptr);
  const ContentRead second = read("st: h\r\n\r\n");
  ASSERT_NE(second.head, nullptr);
  EXPECT_EQ(second.head->fields.size(), 1u);
  EXPECT_NE(read(kHead).head, nullptr);
}

TEST_F(Content, passes_over_a_body_of_known_length) {
  EXPECT_NE(read(std::string(kPost) + "ab").head, nullptr);
  EXPECT_FALSE(read("cd").odd);
  EXPECT_NE(read(kHead).head, nullptr);
}

TEST_F(Content, passes_over_a_body_that_was_not_captured) {
  const ContentRead first = read("PUT /a HTTP/1.1\r\nContent-Length: 100\r\n\r\nab", 40);
  EXPECT_FALSE(first.odd);
  EXPECT_TRUE(first.more_unseen);
  skip(58);
  const ContentRead next = read(kHead);
  EXPECT_FALSE(next.odd || next.more_unseen);
  EXPECT_NE(next.head, nullptr);
}

TEST_F(Content, is_odd_once_bytes_are_missing) {
  read(kHead);
  skip(1);
  EXPECT_TRUE(read(kHead).odd);
  EXPECT_TRUE(read(kHead).odd) << "and stays so";
}

TEST_F(Content, is_odd_where_its_beginning_was_not_read) {
  skip(10);
  EXPECT_TRUE(read(kHead).odd);
}

TEST_F(Content, is_odd_where_a_head_was_not_captured_whole) { EXPECT_TRUE(read("GET /a HTTP/1.1\r\nHost: h\r\n", 20).odd); }

TEST_F(Content, is_odd_where_more_than_a_body_was_read_unseen) { EXPECT_TRUE(read(kPost, 5).odd); }

TEST_F(Content, is_odd_where_requests_are_pipelined) { EXPECT_TRUE(read(std::string(kHead) + std::string(kHead)).odd); }

TEST_F(Content, is_odd_behind_a_body) { EXPECT_TRUE(read(std::string(kPost) + "abcdG").odd); }

TEST_F(Content, is_odd_where_its_head_leaves_a_doubt) {
  EXPECT_TRUE(read("GET /a HTTP/1.1\r\nHost: h\r\n x: folded\r\n\r\n").odd);
}

TEST_F(Content, is_odd_where_somebody_may_see_the_end_of_its_head) {
  for (const char* beginning : {"GET /a HTTP/1.1\n", "GET /a HTTP/1.1\r\nHost: h\n\n", "GET /a HTTP/1.1\r\nHost: h\r\r"}) {
    decode(test::close_record());
    position_ = 0;
    EXPECT_TRUE(read(beginning).odd) << beginning;
  }
}

TEST_F(Content, is_odd_where_a_body_is_chunked) {
  EXPECT_TRUE(read("POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").odd);
}

TEST_F(Content, is_odd_over_http2) { EXPECT_TRUE(read("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").odd); }

TEST_F(Content, is_odd_where_a_head_does_not_end) {
  bool odd = read("GET /a HTTP/1.1\r\n").odd;
  for (int i = 0; i < 5 && !odd; ++i) odd = read("X-" + std::to_string(i) + ": " + std::string(2000, 'a') + "\r\n").odd;
  EXPECT_TRUE(odd);
}

TEST_F(Content, tells_the_fingerprints_of_a_value_that_came_in_pieces) {
  std::vector<Gram> grams = read("GET /a HTTP/1.1\r\nCookie: session=4f9d2").grams;
  const auto more = read("7b1c08e6a35\r\n\r\n").grams;
  grams.insert(grams.end(), more.begin(), more.end());
  for (const Gram gram : grams_of("session=4f9d27b1c08e6a35")) EXPECT_NE(std::find(grams.begin(), grams.end(), gram), grams.end());
}

TEST_F(Content, of_a_connection_that_was_closed_is_forgotten) {
  read(kHead);
  decode(test::close_record());
  position_ = 0;
  EXPECT_NE(read(kHead).head, nullptr);
}

TEST_F(Content, that_claims_more_than_it_has_is_malformed) {
  auto record = test::content_record({.position = 0, .data = kHead, .length = 0});
  reinterpret_cast<mtlswatch_content*>(record.data())->length = 1;
  decode(record);
  EXPECT_TRUE(all<ContentRead>().empty());
  EXPECT_EQ(decoder_.counters().records_malformed, 1u);
}

TEST_F(Content, is_not_recorded_and_then_tells_nothing_of_its_client) {
  auto record = test::content_record({.position = 0, .data = "GET /secret HTTP/1.1\r\nCookie: a=b\r\n\r\n", .length = 0});
  Scrubber scrubber{DecoderConfig{}};
  scrubber.scrub(record);
  const std::string text(record.begin(), record.end());
  for (const char* word : {"GET", "secret", "Cookie", "a=b"}) EXPECT_EQ(text.find(word), std::string::npos) << word;
  decode(record);
  ASSERT_EQ(all<ContentRead>().size(), 1u);
  EXPECT_TRUE(all<ContentRead>().front().grams.empty());
  EXPECT_EQ(all<ContentRead>().front().head, nullptr);
}

TEST_F(Content, is_compared_with_heads_of_a_backend_only_where_that_is_wanted) {
  decode(test::io_record({.cookie = 7, .flags = kReceive, .data = kHead}));
  decoder_.print_heads(true);
  decode(test::io_record({.cookie = 8, .flags = kReceive, .data = kHead}));
  const auto requests = all<RequestSeen>();
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_EQ(requests[0].head.print, nullptr);
  EXPECT_NE(requests[1].head.print, nullptr);
}

}  // namespace
}  // namespace mtlswatch
