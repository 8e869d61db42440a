// SPDX-License-Identifier: Apache-2.0
// What SSL_read returned to a process that the agent asks for it: whose it is, where it stands, and how much of it is told.
#include <string>

#include "tests/bpf/cores.h"

namespace mtlswatch::test {
namespace {

constexpr std::uint64_t kClient = 7;

class ContentCore : public Cores {
 protected:
  void SetUp() override {
    Cores::SetUp();
    observe(MTLSWATCH_OBSERVED_SERVER | MTLSWATCH_OBSERVED_CONTENT);
    feed(kClient);
    receive_outside(kClient);
  }
  /// A call that returned so much of the bytes.
  Records read(const std::string& bytes, int result) {
    enter_read(bytes.data());
    leave(result);
    Records records = take();
    std::erase_if(records, [](const Record& record) { return record.kind() != MTLSWATCH_KIND_CONTENT; });
    return records;
  }
  Records read(const std::string& bytes) { return read(bytes, static_cast<int>(bytes.size())); }
  mtlswatch_content only(const Records& records) {
    EXPECT_EQ(records.size(), 1u);
    return records.empty() ? mtlswatch_content{} : records[0].as<mtlswatch_content>();
  }
};

TEST_F(ContentCore, tells_what_was_read_and_nothing_of_what_lay_behind_it) {
  const std::string bytes = "GET / HTTP/1.1\r\n\r\nsomebody else's";
  const Records records = read(bytes, 18);
  const auto told = only(records);
  EXPECT_EQ(told.cookie, kClient);
  EXPECT_EQ(told.position, 0u);
  EXPECT_EQ(told.length, 18u);
  ASSERT_EQ(records[0].bytes().size(), sizeof told + 512);
  EXPECT_EQ(records[0].captured(), bytes.substr(0, 18));
  for (const std::uint8_t byte : records[0].behind_captured()) EXPECT_EQ(byte, 0);
}

TEST_F(ContentCore, counts_on_from_call_to_call) {
  read("first");
  EXPECT_EQ(only(read("second")).position, 5u);
}

// The client's certificate, the end of its handshake and its first request may be read at once.
TEST_F(ContentCore, counts_on_behind_a_call_that_has_ended_the_handshake_too) {
  enter_read("first");
  verify_result(0);
  leave(5);
  take();
  EXPECT_EQ(only(read("second")).position, 5u);
}

TEST_F(ContentCore, counts_from_the_first_call_of_a_session_that_is_fed_by_its_socket) {
  enter_read("first", kSession + 1);
  receive(9, MTLSWATCH_ROLE_INGRESS, 5);
  receive_outside(9);
  verify_result(0);
  leave(5);
  EXPECT_EQ(take().size(), 2u);
  enter_read("second", kSession + 1);
  leave(6);
  const auto told = only(take());
  EXPECT_EQ(told.cookie, 9u);
  EXPECT_EQ(told.position, 5u);
}

TEST_F(ContentCore, says_at_the_handshake_that_nothing_was_read_before) {
  enter_read("");
  EXPECT_EQ(left_with(-1).flags & MTLSWATCH_HANDSHAKE_CONTENT, static_cast<unsigned>(MTLSWATCH_HANDSHAKE_CONTENT));
  observe();
  enter_read("");
  EXPECT_EQ(left_with(-1).flags & MTLSWATCH_HANDSHAKE_CONTENT, 0u);
}

TEST_F(ContentCore, is_not_told_of_a_process_that_nobody_asks_but_its_bytes_are_counted) {
  observe();
  EXPECT_TRUE(read("first").empty());
  observe(MTLSWATCH_OBSERVED_SERVER | MTLSWATCH_OBSERVED_CONTENT);
  EXPECT_EQ(only(read("second")).position, 5u);
}

TEST_F(ContentCore, of_nobody_knows_whose_is_not_told) {
  read("data");
  enter_read("data", kSession + 1);
  leave(4);
  for (const Record& record : take()) EXPECT_NE(record.kind(), static_cast<std::uint32_t>(MTLSWATCH_KIND_CONTENT));
}

TEST_F(ContentCore, is_told_in_parts_up_to_the_turns_budget_and_that_there_is_more_once) {
  std::string bytes(16384, 'b');
  bytes.replace(5000, 4, "mark");
  const Records records = read(bytes);
  ASSERT_EQ(records.size(), 4u);
  std::string all;
  for (const Record& record : records) {
    EXPECT_EQ(record.as<mtlswatch_content>().position, all.size());
    all += record.captured();
  }
  EXPECT_EQ(all, bytes.substr(0, 8192));
  EXPECT_EQ(records[3].as<mtlswatch_content>().length, 2048u + 8192u);
  EXPECT_TRUE(read(bytes).empty()) << "it was told already";
  receive_outside(kClient, 2);
  EXPECT_EQ(only(read("next")).position, 2 * 16384u);
}

TEST_F(ContentCore, at_the_very_end_of_the_budget_tells_that_there_is_more_with_the_next_call) {
  EXPECT_EQ(read(std::string(8192, 'b')).size(), 4u);
  const auto more = only(read("more"));
  EXPECT_EQ(more.length, 4u);
  EXPECT_EQ(more.captured_bytes, 0u);
  EXPECT_TRUE(read("and more").empty());
}

TEST_F(ContentCore, that_cannot_be_read_is_told_without_bytes_and_counted) {
  enter_read(reinterpret_cast<const void*>(1));
  leave(30);
  Records records = take();
  std::erase_if(records, [](const Record& record) { return record.kind() != MTLSWATCH_KIND_CONTENT; });
  EXPECT_EQ(only(records).captured_bytes, 0u);
  EXPECT_EQ(failures(MTLSWATCH_FAILURE_READ_DATA), 1u);
}

TEST_F(ContentCore, of_an_ssl_objects_address_used_anew_counts_anew) {
  read("first");
  feed(8);
  receive_outside(8);
  const auto told = only(read("other"));
  EXPECT_EQ(told.cookie, 8u);
  EXPECT_EQ(told.position, 0u);
}

TEST_F(ContentCore, that_finds_the_ring_full_is_counted) {
  const std::string bytes(2000, 'b');
  for (std::uint64_t turn = 2; turn < 60; ++turn) {
    receive_outside(kClient, turn);
    enter_read(bytes.data());
    leave(static_cast<int>(bytes.size()));
  }
  const auto counts = count(MTLSWATCH_KIND_CONTENT);
  EXPECT_EQ(counts.submitted + counts.dropped, 58u);
  EXPECT_GT(counts.dropped, 0u);
}

}  // namespace
}  // namespace mtlswatch::test
