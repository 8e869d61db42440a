// SPDX-License-Identifier: Apache-2.0
// What a crowd took and has left, glibc would keep for ever: it is given back. Owned by the agent, used on its event loop's thread.
#pragma once

#include <malloc.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace mtlswatch {

class SpareMemory {
 public:
  /// Every turn of the event loop. Looks once a second; gives back where so much more is free than after the last time.
  void turn(std::uint64_t now_ns) {
    if (now_ns < next_look_ns_) return;
    next_look_ns_ = now_ns + kBetweenLooksNs;
    const std::size_t free_bytes = mallinfo2().fordblks;
    kept_bytes_ = std::min(kept_bytes_, free_bytes);
    if (free_bytes < kept_bytes_ + kMostBytes) return;
    malloc_trim(0);
    kept_bytes_ = mallinfo2().fordblks;  // glibc goes on counting what lies between used blocks
  }

 private:
  static constexpr std::uint64_t kBetweenLooksNs = 1'000'000'000;
  static constexpr std::size_t kMostBytes = 16u << 20;

  std::uint64_t next_look_ns_ = 0;
  std::size_t kept_bytes_ = 0;
};

}  // namespace mtlswatch
