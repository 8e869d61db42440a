// SPDX-License-Identifier: Apache-2.0
#include "userspace/decode/encrypted_turns.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/unit/builders/records.h"

namespace mtlswatch {
namespace {

std::string record(std::uint8_t type, std::size_t length) {
  std::string bytes{static_cast<char>(type), 3, 3, static_cast<char>(length >> 8), static_cast<char>(length & 255)};
  return bytes + std::string(length, '\xaa');
}

class EncryptedTurnsTest : public testing::Test {
 protected:
  /// One turn, received in steps of so many bytes.
  void turn(const std::string& bytes, std::size_t step = 100000) {
    for (std::size_t from = 0; from < bytes.size(); from += step) {
      const std::string part = bytes.substr(from, step);
      turns_.feed({position_, ++time_ns_, static_cast<std::uint32_t>(part.size()), test::bytes_of(part), from == 0}, told_, nullptr);
      position_ = static_cast<std::uint32_t>(position_ + part.size());
    }
  }

  EncryptedTurns turns_;
  std::uint64_t position_ = 0xffffff00;
  std::uint64_t time_ns_ = 0;
  std::vector<EncryptedRequest> told_;
};

TEST_F(EncryptedTurnsTest, takes_one_request_for_each_turn_of_application_data) {
  turn(record(0x16, 300));
  turn(record(0x16, 70) + record(0x14, 1) + record(0x16, 40));
  const std::uint64_t first = position_;
  turn(record(0x17, 200) + record(0x17, 900));
  turn(record(0x17, 200));
  ASSERT_EQ(told_.size(), 2u);
  EXPECT_EQ(told_[0].position, first);
  EXPECT_FALSE(told_[0].may_be_handshake);
}

TEST_F(EncryptedTurnsTest, tells_apart_what_may_be_the_end_of_a_handshake) {
  turn(record(0x14, 1) + record(0x17, 53) + record(0x17, 200));
  ASSERT_EQ(told_.size(), 2u);
  EXPECT_TRUE(told_[0].may_be_handshake);
  EXPECT_TRUE(told_[1].may_be_handshake);
  EXPECT_EQ(told_[1].position, static_cast<std::uint32_t>(0xffffff00 + 6 + 58));
}

TEST_F(EncryptedTurnsTest, tells_the_end_of_a_handshake_after_a_hello_retry_request) {
  turn(record(0x16, 238));
  turn(record(0x14, 1) + record(0x16, 512));
  turn(record(0x17, 443));  // Certificate to Finished
  turn(record(0x17, 128));
  ASSERT_EQ(told_.size(), 2u);
  EXPECT_TRUE(told_[0].may_be_handshake);
  EXPECT_FALSE(told_[1].may_be_handshake);
}

TEST_F(EncryptedTurnsTest, tells_a_request_behind_a_resumed_handshake_of_tls_1_2) {
  turn(record(0x16, 238));
  turn(record(0x14, 1) + record(0x16, 40));
  turn(record(0x17, 128));
  ASSERT_EQ(told_.size(), 1u);
  EXPECT_FALSE(told_[0].may_be_handshake);
}

TEST_F(EncryptedTurnsTest, tells_a_request_behind_a_certificate_that_hid_the_rest_of_its_turn) {
  turn(record(0x16, 238));
  turn(record(0x16, 900) + record(0x16, 70) + record(0x14, 1) + record(0x16, 40), 200);
  turn(record(0x17, 128));
  ASSERT_EQ(told_.size(), 1u);
  EXPECT_FALSE(told_[0].may_be_handshake);
}

TEST_F(EncryptedTurnsTest, takes_no_farewell_for_a_request) {
  turn(record(0x17, 19));  // close_notify of TLS 1.3
  turn(record(0x15, 26));  // of TLS 1.2
  turn(record(0x17, 22));  // a key update
  EXPECT_TRUE(told_.empty());
}

TEST_F(EncryptedTurnsTest, loses_a_turn_whose_records_it_cannot_follow_and_finds_the_next) {
  turn(record(0x16, 40) + record(0x17, 200), 47);
  turn(record(0x17, 200).substr(0, 3) + "x");
  EXPECT_TRUE(told_.empty());
  turn("GET / HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(told_.empty());
  turn(record(0x17, 200));
  EXPECT_EQ(told_.size(), 1u);
}

}  // namespace
}  // namespace mtlswatch
