// SPDX-License-Identifier: Apache-2.0
// Io records: how a message's beginning is cut into them, and what becomes of bytes that cannot be read.
#include <string>

#include "tests/bpf/cores.h"

namespace mtlswatch::test {
namespace {

constexpr std::uint64_t kPosition = 1000;

std::string pattern(std::size_t bytes) {
  std::string text(bytes, '\0');
  for (std::size_t index = 0; index < bytes; ++index) text[index] = static_cast<char>(1 + (index ^ index >> 8) % 251);
  return text;
}

class IoCore : public Cores {
 protected:
  Records records_of(const char* data, std::uint64_t wanted, std::uint64_t length) {
    message(data, wanted, length, kPosition);
    return take();
  }
};

struct Size {
  std::size_t wanted;
  std::size_t data_class;  ///< of the last record
};

class MessageOfSize : public IoCore, public testing::WithParamInterface<Size> {};

TEST_P(MessageOfSize, arrives_in_parts_that_continue_each_other) {
  const std::string text = pattern(10000);
  const Records parts = records_of(text.data(), GetParam().wanted, text.size());
  std::uint64_t position = kPosition;
  std::uint64_t length = 0;
  for (const Record& part : parts) {
    const auto io = part.as<mtlswatch_io>();
    EXPECT_EQ(io.header.size, part.bytes().size());
    EXPECT_EQ(io.position, position);
    EXPECT_EQ(io.turn, 3u);
    EXPECT_EQ(io.received, 0u);
    position += io.captured_bytes;
    length += io.length;
  }
  ASSERT_EQ(parts.size(), std::max<std::size_t>(1, (GetParam().wanted + 2047) / 2048));
  EXPECT_EQ(parts.back().bytes().size(), sizeof(mtlswatch_io) + GetParam().data_class);
  EXPECT_EQ(captured_of(parts), text.substr(0, GetParam().wanted));
  EXPECT_EQ(length, text.size());
  EXPECT_EQ(failures(MTLSWATCH_FAILURE_READ_DATA), 0u);
}

INSTANTIATE_TEST_SUITE_P(Bytes, MessageOfSize,
                         testing::Values(Size{0, 0}, Size{1, 64}, Size{64, 64}, Size{65, 512}, Size{512, 512},
                                         Size{513, 2048}, Size{2047, 2048}, Size{2048, 2048}, Size{2049, 64},
                                         Size{4096, 2048}, Size{8191, 2048}, Size{8192, 2048}),
                         [](const auto& each) { return std::to_string(each.param.wanted); });

TEST_F(IoCore, names_turn_and_witness_in_the_first_part_only) {
  const std::string text = pattern(5000);
  const Records parts = records_of(text.data(), text.size(), text.size());
  ASSERT_EQ(parts.size(), 3u);
  const auto first = parts[0].as<mtlswatch_io>();
  EXPECT_EQ(first.flags, static_cast<std::uint32_t>(MTLSWATCH_IO_TURN));
  EXPECT_EQ(first.witness_cookie, 2u);
  EXPECT_EQ(first.witness_position, 5u);
  EXPECT_EQ(first.witness_turn, 4u);
  for (const std::size_t later : {1, 2}) {
    EXPECT_EQ(parts[later].as<mtlswatch_io>().flags, 0u);
    EXPECT_EQ(parts[later].as<mtlswatch_io>().witness_cookie, 0u);
  }
}

TEST_F(IoCore, says_cut_where_bytes_cannot_be_read) {
  const Records parts = records_of(reinterpret_cast<const char*>(0xdead0000dead), 100, 100);
  ASSERT_EQ(parts.size(), 1u);
  EXPECT_TRUE(parts[0].as<mtlswatch_io>().flags & MTLSWATCH_IO_CUT);
  EXPECT_TRUE(parts[0].as<mtlswatch_io>().flags & MTLSWATCH_IO_TURN);
  EXPECT_EQ(parts[0].as<mtlswatch_io>().length, 100u);
  EXPECT_EQ(parts[0].captured(), "");
  EXPECT_EQ(failures(MTLSWATCH_FAILURE_READ_DATA), 1u);
}

TEST_F(IoCore, gives_nothing_of_a_part_whose_memory_ends_within_it) {
  const EdgeOfMemory memory;
  const Records parts = records_of(memory.last(2100), 4096, 4096);
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[0].captured(), std::string(2048, 'e'));
  EXPECT_EQ(parts[1].captured(), "");
  EXPECT_TRUE(parts[1].as<mtlswatch_io>().flags & MTLSWATCH_IO_CUT);
  for (const std::uint8_t byte : parts[1].behind_captured()) ASSERT_EQ(byte, 0);
}

TEST_F(IoCore, finds_no_message_in_a_system_call_that_moves_none) { EXPECT_EQ(user_message(), 0u); }

}  // namespace
}  // namespace mtlswatch::test
