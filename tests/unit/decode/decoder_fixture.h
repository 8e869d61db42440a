// SPDX-License-Identifier: Apache-2.0
// A decoder, and the events it has told.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/unit/builders/records.h"
#include "userspace/decode/decoder.h"

namespace mtlswatch {

inline constexpr std::uint32_t kReceive = MTLSWATCH_IO_BACKEND | MTLSWATCH_IO_TURN;
inline constexpr std::uint32_t kSend = kReceive | MTLSWATCH_IO_SEND;
inline constexpr std::string_view kHead = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";

class DecoderTest : public testing::Test {
 protected:
  void decode(const test::RawRecord& record) { decoder_.decode(record, events_); }
  template <typename T>
  std::vector<T> all() const {
    std::vector<T> found;
    for (const Event& event : events_) {
      if (const T* value = std::get_if<T>(&event)) found.push_back(*value);
    }
    return found;
  }

  Decoder decoder_{DecoderConfig{.identity_headers = {"X-SSL-Client-Verify"}, .connection_limit = 4}};
  std::vector<Event> events_;
};

}  // namespace mtlswatch
