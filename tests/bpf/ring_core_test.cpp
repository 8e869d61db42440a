// SPDX-License-Identifier: Apache-2.0
// The way out: no record shows what lay in the ring before it, and a full ring is counted and told.
#include <algorithm>
#include <string>
#include <thread>

#include "tests/bpf/cores.h"

namespace mtlswatch::test {
namespace {

constexpr std::uint8_t kMarker = 0xa5;
constexpr std::size_t kWraps = 3;

const std::string& marker() {
  static const std::string bytes(2048, static_cast<char>(kMarker));
  return bytes;
}

/// Four marker bytes in a row, outside what the record captured.
bool shows_marker(const Record& record, bool has_data) {
  const auto search = [](std::span<const std::uint8_t> bytes) {
    return std::search_n(bytes.begin(), bytes.end(), 4, kMarker) != bytes.end();
  };
  if (!has_data) return search(record.bytes());
  const std::size_t behind = record.behind_captured().size();
  const std::span<const std::uint8_t> before =
      std::span(record.bytes()).first(record.bytes().size() - behind - record.captured().size());
  return search(before) || search(record.behind_captured());
}

class RingCore : public Cores {
 protected:
  /// Leaves the marker all over the ring.
  void soak() {
    for (std::size_t written = 0; written < kWraps * kRingBytes; written += marker().size()) {
      message(marker().data(), marker().size(), marker().size());
      take();
    }
  }
  /// Each record is made over several wraps of a ring full of the marker.
  template <typename Make>
  void expect_clean(std::size_t record_bytes, Make make) {
    for (std::size_t written = 0; written < kRingBytes; written += record_bytes) {
      if (written % (8 * record_bytes) == 0) soak();
      make();
      const Records records = take();
      ASSERT_FALSE(records.empty());
      for (const Record& record : records) {
        ASSERT_FALSE(shows_marker(record, record.kind() != MTLSWATCH_KIND_HANDSHAKE)) << "kind " << record.kind();
      }
    }
  }
  void fill() {
    make_until_dropped(MTLSWATCH_KIND_IO, [&] { message(marker().data(), marker().size(), marker().size()); });
  }
  /// Makes records, which nobody drains, until the first of the kind is counted as dropped.
  template <typename Make>
  void make_until_dropped(mtlswatch_kind kind, Make make) {
    for (std::size_t made = 0; made < kRingBytes / sizeof(mtlswatch_header); ++made) {
      if (count(kind).dropped != 0) return;
      make();
    }
    FAIL() << "no drop was counted";
  }
};

TEST_F(RingCore, leaves_the_marker_where_a_record_was) {
  soak();
  message(marker().data(), 2048, 2048);
  ASSERT_TRUE(shows_marker(take().at(0), false)) << "the tests below could not see it";
}

TEST_F(RingCore, is_empty_behind_the_header_of_a_record_that_nothing_was_written_to) {
  for (int again = 0; again < 16; ++again) {
    soak();
    reserved_record();
    const Records records = take();
    ASSERT_EQ(records.size(), 1u);
    ASSERT_EQ(records[0].bytes().size(), sizeof(mtlswatch_connection));
    const auto behind = std::span(records[0].bytes()).subspan(sizeof(mtlswatch_header));
    ASSERT_EQ(std::count(behind.begin(), behind.end(), 0), static_cast<std::ptrdiff_t>(behind.size()));
    EXPECT_EQ(records[0].header().kind, static_cast<std::uint32_t>(MTLSWATCH_KIND_CONNECTION));
    EXPECT_EQ(records[0].header().size, sizeof(mtlswatch_connection));
  }
}

TEST_F(RingCore, shows_nothing_older_in_a_handshake) {
  expect_clean(sizeof(mtlswatch_handshake) * 16, [&] {
    enter();
    leave(0);
  });
}

TEST_F(RingCore, shows_nothing_older_behind_a_certificate) {
  const char* der = "der";
  expect_clean(sizeof(mtlswatch_certificate), [&] {
    enter();
    certificate(&der, 3);
  });
}

TEST_F(RingCore, shows_nothing_older_in_a_certificate_that_it_could_not_read) {
  const EdgeOfMemory memory;
  const char* der = memory.last(3);
  expect_clean(sizeof(mtlswatch_certificate), [&] {
    enter();
    certificate(&der, 2000);
    certificate(&der, 1 << 20);
  });
}

TEST_F(RingCore, shows_nothing_older_behind_a_message) {
  const std::string text(2048, 'x');
  for (const std::size_t first_of_its_class : {0, 1, 65, 513}) {
    expect_clean(2048, [&] { message(text.data(), first_of_its_class, 1000); });
  }
}

TEST_F(RingCore, shows_nothing_older_in_a_message_that_it_could_not_read) {
  const EdgeOfMemory memory;
  expect_clean(sizeof(mtlswatch_io) + 2048, [&] { message(memory.last(3), 2000, 2000); });
}

TEST_F(RingCore, loses_nothing_beside_work_that_takes_longer_than_the_ring_has_room) {
  constexpr std::uint64_t kMessages = kWraps * kRingBytes / 2048;
  drain_beside([&] {
    for (std::uint64_t position = 0; position < kMessages; ++position) {
      message(marker().data(), marker().size(), marker().size(), position);
      while (waiting_bytes() > kRingBytes / 2) std::this_thread::yield();
    }
  });
  const Records records = take();
  ASSERT_EQ(records.size(), kMessages);
  for (std::uint64_t position = 0; position < kMessages; ++position) {
    ASSERT_EQ(records[position].as<mtlswatch_io>().position, position);
    ASSERT_EQ(records[position].captured(), marker());
  }
  EXPECT_EQ(count(MTLSWATCH_KIND_IO).dropped, 0u);
}

TEST_F(RingCore, drops_and_counts_by_kind_when_full) {
  fill();
  const char* der = marker().data();
  enter();
  certificate(&der, 2048);
  ++der;
  certificate(&der, 4095);
  make_until_dropped(MTLSWATCH_KIND_HANDSHAKE, [&] {
    enter();
    leave(1);
  });
  EXPECT_EQ(count(MTLSWATCH_KIND_CERTIFICATE).submitted, 0u);
  EXPECT_EQ(count(MTLSWATCH_KIND_CERTIFICATE).dropped, 3u);
  EXPECT_EQ(count(MTLSWATCH_KIND_IO).dropped, 1u);
  EXPECT_EQ(count(MTLSWATCH_KIND_CONNECTION).dropped, 0u);
}

TEST_F(RingCore, counts_every_record_as_submitted_or_dropped) {
  constexpr std::uint64_t kMade = 100;
  for (std::uint64_t made = 0; made < kMade; ++made) {
    message(marker().data(), marker().size(), marker().size());
    enter();
    leave(1);
  }
  const Records seen = take();
  for (const mtlswatch_kind kind : {MTLSWATCH_KIND_IO, MTLSWATCH_KIND_HANDSHAKE}) {
    const mtlswatch_record_counter counted = count(kind);
    EXPECT_GT(counted.dropped, 0u);
    EXPECT_EQ(counted.submitted + counted.dropped, kMade);
    const auto is_of_kind = [&](const Record& record) { return record.kind() == static_cast<std::uint32_t>(kind); };
    EXPECT_EQ(counted.submitted, static_cast<std::uint64_t>(std::count_if(seen.begin(), seen.end(), is_of_kind)));
  }
}

TEST_F(RingCore, tells_the_loss_in_the_next_record_that_gets_through) {
  fill();
  for (int more = 0; more < 4; ++more) message(marker().data(), marker().size(), marker().size());
  for (const Record& record : take()) EXPECT_EQ(record.header().records_lost, 0u);
  enter();
  leave(1);
  message(nullptr, 0, 1);
  const Records later = take();
  ASSERT_EQ(later.size(), 2u);
  EXPECT_EQ(later[0].header().records_lost, 5u);
  EXPECT_EQ(later[1].header().records_lost, 5u);
}

TEST_F(RingCore, ends_a_handshake_whose_record_was_dropped) {
  fill();
  make_until_dropped(MTLSWATCH_KIND_HANDSHAKE, [&] {
    enter();
    leave(1);
  });
  take();
  leave(1);
  EXPECT_EQ(take().size(), 0u);
}

}  // namespace
}  // namespace mtlswatch::test
