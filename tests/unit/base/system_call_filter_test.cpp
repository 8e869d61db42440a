// SPDX-License-Identifier: Apache-2.0
// Each in a child: a filter is for good.
#include "userspace/base/system_call_filter.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <netdb.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <fstream>
#include <functional>
#include <string>
#include <thread>

#include "userspace/base/plain_thread.h"

namespace mtlswatch {
namespace {

class SystemCallFilter : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!can_filter_system_calls()) GTEST_SKIP() << "needs seccomp filters, and no AddressSanitizer";
  }

  /// Whether it held in a child.
  static ::testing::AssertionResult holds(const std::function<bool()>& claim) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(claim() ? 0 : 1);
    int status = 0;
    ::waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << "status of the child: " << status;
  }

  static bool is_refused(long result) { return result == -1 && errno == EPERM; }
};

/// Of the calling thread, as its /proc/PID/status has it. There may be some before: a container's.
int seccomp_filters() {
  std::ifstream status("/proc/thread-self/status");
  std::string line;
  while (std::getline(status, line)) {
    if (line.starts_with("Seccomp_filters:\t")) return std::stoi(line.substr(17));
  }
  return -1;
}

bool starts_no_program() {
  char name[] = "/bin/false";
  char* arguments[] = {name, nullptr};
  const bool by_name = ::execve(name, arguments, nullptr) == -1 && errno == EPERM;
  const int file = ::open(name, O_RDONLY | O_CLOEXEC);
  return by_name && file >= 0 && ::syscall(SYS_execveat, file, "", arguments, nullptr, AT_EMPTY_PATH) == -1 && errno == EPERM;
}

TEST_F(SystemCallFilter, lets_no_program_be_started) {
  EXPECT_FALSE(holds(starts_no_program)) << "without a filter";
  EXPECT_TRUE(holds([] { return filter_system_calls(true) && starts_no_program(); }));
}

TEST_F(SystemCallFilter, refuses_what_would_touch_other_processes_or_the_host) {
  EXPECT_TRUE(holds([] {
    const pid_t other = ::fork();
    if (other == 0) ::_exit(::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && ::pause());
    if (!filter_system_calls(true)) return false;
    const rlimit limit{1, 1};
    return ::kill(other, 0) == 0 && is_refused(::kill(other, SIGKILL)) && is_refused(::syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)) &&
           is_refused(::ptrace(PTRACE_ATTACH, ::getppid(), nullptr, nullptr)) && is_refused(::kill(::getppid(), SIGUSR1)) &&
           is_refused(::unshare(CLONE_NEWNS)) && is_refused(::setuid(::getuid())) && is_refused(::syscall(SYS_mount, 0, 0, 0, 0, 0)) &&
           is_refused(::syscall(SYS_process_vm_writev, ::getppid(), 0, 0, 0, 0, 0)) && is_refused(::setrlimit(RLIMIT_NOFILE, &limit)) &&
           is_refused(::socket(AF_PACKET, SOCK_RAW, 0)) && is_refused(::syscall(SYS_io_uring_setup, 1, nullptr));
  }));
}

TEST_F(SystemCallFilter, lets_programs_be_loaded_into_the_kernel_only_where_perf_events_place_the_probes) {
  const auto loads = [] {
    bpf_attr attr{};
    return ::syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof attr);
  };
  EXPECT_TRUE(holds([&] { return filter_system_calls(false) && is_refused(loads()) && is_refused(::syscall(SYS_perf_event_open, 0, 0, 0, 0, 0)); }));
  // The kernel itself refuses an empty program, not with EPERM where the caller may load one.
  if (::geteuid() == 0) {
    EXPECT_TRUE(holds([&] { return filter_system_calls(true) && loads() == -1 && errno != EPERM; }));
  }
}

TEST_F(SystemCallFilter, is_on_threads_that_were_there_and_on_those_that_come) {
  EXPECT_TRUE(holds([] {
    std::atomic<bool> filtered = false;
    const int inherited = seccomp_filters();
    int before = -1, after = -1;
    std::thread earlier([&] {
      while (!filtered) std::this_thread::yield();
      before = seccomp_filters();
    });
    const Status status = filter_system_calls(false);
    filtered = true;
    earlier.join();
    start_plain_thread([&] { after = seccomp_filters(); }).join();
    return status && inherited >= 0 && before == inherited + 1 && after == inherited + 1;
  }));
}

TEST_F(SystemCallFilter, lets_names_be_resolved_and_children_be_made) {
  EXPECT_TRUE(holds([] {
    if (!filter_system_calls(false)) return false;
    addrinfo* found = nullptr;
    const bool resolved = ::getaddrinfo("localhost", "443", nullptr, &found) == 0;
    const pid_t child = ::fork();
    if (child == 0) ::_exit(0);
    return resolved && child > 0 && ::waitpid(child, nullptr, 0) == child;
  }));
}

}  // namespace
}  // namespace mtlswatch
