// SPDX-License-Identifier: Apache-2.0
// Event time cut into windows, for rules that compare counts.
#pragma once

#include <algorithm>
#include <cstdint>

namespace mtlswatch {

class WindowClock {
 public:
  static constexpr std::uint64_t kMostAtOnce = 60;  ///< after a long pause

  /// How many windows have ended since the last call: 0 while the first, or the same, goes on.
  std::uint64_t ended(std::uint64_t now_ns, std::uint64_t window_ns) {
    const std::uint64_t window = now_ns / std::max<std::uint64_t>(window_ns, 1);
    const std::uint64_t passed = window_ == 0 || window <= window_ ? 0 : window - window_;
    window_ = std::max(window_, window);
    return std::min(passed, kMostAtOnce);
  }

 private:
  std::uint64_t window_ = 0;
};

}  // namespace mtlswatch
