// SPDX-License-Identifier: Apache-2.0
// A request framer that is fed receive by receive.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "tests/unit/builders/records.h"
#include "userspace/decode/request_framer.h"

namespace mtlswatch {

using Start = RequestFramer::Start;
using Positions = RequestFramer::Positions;

/// A framer and the stream position it is fed from.
class RequestFramerTest : public testing::Test {
 protected:
  void at(std::uint64_t position, Start start = Start::kAtRequest, Positions positions = Positions::kTcp) {
    framer_.emplace(parser_, positions, start);
    position_ = position;
  }
  /// One receive; uncaptured: bytes it moved beyond text.
  void receive(std::string_view text, bool turn_start = false, std::uint32_t uncaptured = 0, bool cut = false) {
    const auto length = static_cast<std::uint32_t>(text.size()) + uncaptured;
    framer_->feed({position_, time_ns_++, length, test::bytes_of(text), turn_start, cut}, requests_);
    position_ += length;
  }
  /// Receives of which nothing was told.
  void miss(std::uint64_t bytes) { position_ += bytes; }

  std::vector<std::string> paths() const {
    std::vector<std::string> paths;
    for (const auto& request : requests_) paths.push_back(request.head.path);
    return paths;
  }
  HeadState state() const { return requests_.at(0).head.state; }

  HeadParser parser_{{"X-SSL-Client-Verify"}};
  std::optional<RequestFramer> framer_{std::in_place, parser_, Positions::kTcp, Start::kAtRequest};
  std::uint64_t position_ = 100;
  std::uint64_t time_ns_ = 1;
  std::vector<FramedRequest> requests_;
};

using Paths = std::vector<std::string>;

}  // namespace mtlswatch
