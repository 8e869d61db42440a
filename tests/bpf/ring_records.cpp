// SPDX-License-Identifier: Apache-2.0
#include "tests/bpf/ring_records.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <string>

namespace mtlswatch::test {

std::size_t Record::data_offset() const {
  if (kind() == MTLSWATCH_KIND_CONTENT) return offsetof(mtlswatch_content, data);
  return kind() == MTLSWATCH_KIND_CERTIFICATE ? offsetof(mtlswatch_certificate, data) : offsetof(mtlswatch_io, data);
}

std::size_t Record::captured_bytes() const {
  const std::size_t told = kind() == MTLSWATCH_KIND_CONTENT       ? as<mtlswatch_content>().captured_bytes
                           : kind() == MTLSWATCH_KIND_CERTIFICATE ? as<mtlswatch_certificate>().captured_bytes
                                                                  : as<mtlswatch_io>().captured_bytes;
  return std::min(told, bytes_.size() - data_offset());
}

std::string_view Record::captured() const {
  return {reinterpret_cast<const char*>(bytes_.data()) + data_offset(), captured_bytes()};
}

std::span<const std::uint8_t> Record::behind_captured() const {
  return std::span(bytes_).subspan(data_offset() + captured_bytes());
}

Records io_of(const Records& records, std::uint64_t cookie) {
  Records io;
  for (const Record& record : records) {
    if (record.kind() == MTLSWATCH_KIND_IO && record.as<mtlswatch_io>().cookie == cookie) io.push_back(record);
  }
  return io;
}

std::string captured_of(const Records& io) {
  std::string bytes;
  for (const Record& record : io) bytes += record.captured();
  return bytes;
}

RingRecords::RingRecords(int ring_map_fd)
    : reader_(RingReader::open(ring_map_fd, [records = records_.get()](std::span<const std::uint8_t> bytes) {
        records->emplace_back(bytes);
      })) {
  EXPECT_TRUE(reader_) << reader_.error().message;
}

const Records& RingRecords::drain() {
  if (reader_) {
    const Status drained = reader_->drain();
    EXPECT_TRUE(drained) << drained.error().message;
  }
  return *records_;
}

Records RingRecords::take() {
  drain();
  return std::exchange(*records_, {});
}

bool RingRecords::wait_for(const std::function<bool(const Records&)>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (!condition(drain())) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    sched_yield();
  }
  return true;
}

}  // namespace mtlswatch::test
