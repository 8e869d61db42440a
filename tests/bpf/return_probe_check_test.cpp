// SPDX-License-Identifier: Apache-2.0
// The self-test of return probes, on the kernel that runs this test. Needs root.
#include "userspace/probe/return_probe_check.h"

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <iterator>

namespace mtlswatch {
namespace {

std::ptrdiff_t open_descriptors() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator());
}

class ReturnProbeCheck : public testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root to attach a uprobe";
    descriptors_ = open_descriptors();
  }
  void TearDown() override {
    if (geteuid() != 0) return;
    EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1) << "a child was left behind";
    EXPECT_EQ(errno, ECHILD);
    EXPECT_EQ(open_descriptors(), descriptors_);
  }

 private:
  std::ptrdiff_t descriptors_ = 0;
};

/// The system call came with Linux 6.11, seccomp's exemption with 6.14; only between them may the verdict be unsafe.
bool may_be_unsafe() {
  utsname kernel = {};
  int major = 0;
  int minor = 0;
  if (uname(&kernel) != 0 || sscanf(kernel.release, "%d.%d", &major, &minor) != 2) return true;
  return major == 6 && minor >= 11 && minor <= 13;
}

// Safe means that the probe fired and the child lived: both are checked before it is said.
TEST_F(ReturnProbeCheck, finds_kernels_safe_that_have_no_such_system_call_or_let_it_pass) {
  const auto verdict = check_return_probes();
  ASSERT_TRUE(verdict) << verdict.error().message;
  EXPECT_TRUE(verdict->safe || may_be_unsafe()) << verdict->reason;
}

// The system call stands for the uretprobe call of a kernel whose seccomp does not know it.
TEST_F(ReturnProbeCheck, says_unsafe_and_names_the_signal_when_the_filter_kills_the_child) {
  ReturnProbeTrial trial;
  trial.also = [] { syscall(SYS_getppid); };
  const auto verdict = check_return_probes(trial);
  ASSERT_TRUE(verdict) << verdict.error().message;
  EXPECT_FALSE(verdict->safe);
  EXPECT_NE(verdict->reason.find("signal 31"), std::string::npos) << verdict->reason;
}

TEST_F(ReturnProbeCheck, gives_up_on_a_child_that_hangs) {
  ReturnProbeTrial trial;
  trial.timeout_ms = 50;
  trial.also = [] {
    for (volatile int spin = 1; spin != 0;) {
    }
  };
  const auto begun = std::chrono::steady_clock::now();
  const auto verdict = check_return_probes(trial);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(2));
  ASSERT_FALSE(verdict);
  EXPECT_NE(verdict.error().message.find("did not end within 50 ms"), std::string::npos) << verdict.error().message;
}

TEST_F(ReturnProbeCheck, says_why_when_it_may_not_attach) {
  ASSERT_EQ(seteuid(65534), 0);
  const auto verdict = check_return_probes();
  ASSERT_EQ(seteuid(0), 0);
  ASSERT_FALSE(verdict);
  EXPECT_NE(verdict.error().message.find("attach a return probe"), std::string::npos) << verdict.error().message;
}

}  // namespace
}  // namespace mtlswatch
