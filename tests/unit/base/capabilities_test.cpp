// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/capabilities.h"

#include <gtest/gtest.h>
#include <linux/capability.h>

#include <fstream>
#include <string>
#include <thread>

namespace mtlswatch {
namespace {

/// Permitted, of the calling thread.
std::uint64_t permitted() {
  std::ifstream status("/proc/thread-self/status");
  std::string line;
  while (std::getline(status, line)) {
    if (line.starts_with("CapPrm:")) return std::stoull(line.substr(7), nullptr, 16);
  }
  return ~0ULL;
}

TEST(Capabilities, are_dropped_by_one_thread_and_kept_by_the_other) {
  const std::uint64_t before = permitted();
  std::uint64_t within = ~0ULL, below = ~0ULL;
  std::thread([&] {
    EXPECT_TRUE(keep_capabilities({}));
    within = permitted();
    std::thread([&] { below = permitted(); }).join();
  }).join();
  EXPECT_EQ(within, 0u);
  EXPECT_EQ(below, 0u);
  EXPECT_EQ(permitted(), before);
}

TEST(Capabilities, are_kept_where_they_are_named_and_there) {
  if ((permitted() >> CAP_BPF & 1) == 0) GTEST_SKIP() << "needs CAP_BPF";
  std::uint64_t within = 0;
  std::thread([&] {
    EXPECT_TRUE(keep_capabilities({CAP_BPF}));
    EXPECT_TRUE(keep_capabilities({CAP_BPF, CAP_KILL}));
    within = permitted();
  }).join();
  EXPECT_EQ(within, 1ULL << CAP_BPF);
}

}  // namespace
}  // namespace mtlswatch
