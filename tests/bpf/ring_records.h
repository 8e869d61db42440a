// SPDX-License-Identifier: Apache-2.0
// The records that a ring buffer delivers, kept for a test to look at. Used by the tests of this folder.
#pragma once

#include <mtlswatch/event.h>

#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "userspace/ring/ring_reader.h"

namespace mtlswatch::test {

/// One record as it came: its bytes, read through the contract's structs.
class Record {
 public:
  explicit Record(std::span<const std::uint8_t> bytes) : bytes_(bytes.begin(), bytes.end()) {}

  mtlswatch_header header() const { return as<mtlswatch_header>(); }
  std::uint32_t kind() const { return header().kind; }
  /// The struct at its beginning; zeros where the record is shorter.
  template <typename T>
  T as() const {
    T value{};
    std::memcpy(&value, bytes_.data(), std::min(sizeof value, bytes_.size()));
    return value;
  }
  const std::vector<std::uint8_t>& bytes() const { return bytes_; }
  /// The captured bytes of an io, a certificate or a content record.
  std::string_view captured() const;
  /// What follows the captured bytes.
  std::span<const std::uint8_t> behind_captured() const;

 private:
  std::size_t data_offset() const;
  std::size_t captured_bytes() const;
  std::vector<std::uint8_t> bytes_;
};

using Records = std::vector<Record>;

/// The io records of one connection, in order.
Records io_of(const Records& records, std::uint64_t cookie);
/// What a connection's io records captured, one after the other.
std::string captured_of(const Records& io);

/// Drains one ring; keeps every record until it is taken.
class RingRecords {
 public:
  explicit RingRecords(int ring_map_fd);
  /// All records so far.
  const Records& drain();
  /// Drains and forgets.
  Records take();
  /// Does work, and keeps what comes meanwhile.
  void drain_beside(const std::function<void()>& work) { reader_->drain_beside(work); }
  /// Drains until the condition holds, 5 s at most; returns whether it did.
  bool wait_for(const std::function<bool(const Records&)>& condition);

 private:
  std::unique_ptr<Records> records_ = std::make_unique<Records>();
  Result<RingReader> reader_;
};

}  // namespace mtlswatch::test
