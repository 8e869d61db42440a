// SPDX-License-Identifier: Apache-2.0
#include "userspace/probe/return_probe_check.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "userspace/base/unique_fd.h"
#include "userspace/probe/trial_probe.h"

// The function under test. Named so that it can be told in a list of uprobes.
extern "C" {
__attribute__((noinline, used, visibility("hidden"))) int mtlswatch_return_probe_target(int value) {
  asm volatile("" : "+r"(value));
  return value;
}
}

namespace mtlswatch {
namespace {

constexpr int kChildUnfiltered = 3;  // exit codes of the child
constexpr int kChildUnreleased = 4;

// ---- the child: async-signal-safe calls only, the parent may have threads ----

[[noreturn]] void leave(int code) {
  for (;;) ::syscall(SYS_exit_group, code);
}

constexpr sock_filter allow_if(std::uint32_t number, std::uint8_t distance) {
  return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, distance, 0);
}

bool filter_system_calls() {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 6),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      allow_if(SYS_read, 5),
      allow_if(SYS_write, 4),
      allow_if(SYS_exit, 3),
      allow_if(SYS_exit_group, 2),
      allow_if(SYS_rt_sigreturn, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter = {sizeof program / sizeof program[0], program};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) == 0;
}

[[noreturn]] void run_child(int release, int other_end, void (*also)()) {
  ::close(other_end);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  const rlimit no_core = {0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  if (!filter_system_calls()) leave(kChildUnfiltered);
  char byte = 0;
  if (::read(release, &byte, 1) != 1) leave(kChildUnreleased);
  mtlswatch_return_probe_target(1);
  if (also != nullptr) also();
  leave(0);
}

// ---- the parent ----

/// Owner of the child process: kills and reaps it if nobody has waited for it.
class Child {
 public:
  static Result<Child> start(void (*also)());
  Child(Child&& other) noexcept
      : pid_(std::exchange(other.pid_, -1)),
        ended_(std::move(other.ended_)),
        read_end_(std::move(other.read_end_)),
        release_(std::move(other.release_)) {}
  Child& operator=(Child&&) = delete;
  ~Child() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    static_cast<void>(reap());
  }

  pid_t pid() const { return pid_; }
  /// Lets the child run; returns its wait status once it has ended.
  Result<int> finish(int timeout_ms);

 private:
  Child() = default;
  Result<int> reap();

  pid_t pid_ = -1;
  UniqueFd ended_;     ///< pidfd
  UniqueFd read_end_;  ///< kept open here too, so that a child that died early does not cost us a SIGPIPE
  UniqueFd release_;
};

Result<Child> Child::start(void (*also)()) {
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC) != 0) return system_error("pipe", errno);
  Child child;
  child.read_end_ = UniqueFd(ends[0]);
  child.release_ = UniqueFd(ends[1]);
  child.pid_ = ::fork();
  if (child.pid_ == 0) run_child(ends[0], ends[1], also);
  if (child.pid_ < 0) return system_error("fork", errno);
  child.ended_ = UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, child.pid_, 0)));
  if (!child.ended_) return system_error("pidfd_open", errno);
  return child;
}

Result<int> Child::reap() {
  int status = 0;
  pid_t reaped = -1;
  do {
    reaped = ::waitpid(pid_, &status, 0);
  } while (reaped < 0 && errno == EINTR);
  const int failure = errno;
  pid_ = -1;
  if (reaped < 0) return system_error("wait for the child", failure);
  return status;
}

Result<int> Child::finish(int timeout_ms) {
  using std::chrono::steady_clock;
  const auto deadline = steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  if (::write(release_.get(), "x", 1) != 1) return system_error("release the child", errno);
  pollfd waited = {ended_.get(), POLLIN, 0};
  int ready = 0;
  do {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - steady_clock::now()).count();
    if (left <= 0) return Error{"the child did not end within " + std::to_string(timeout_ms) + " ms"};
    ready = ::poll(&waited, 1, static_cast<int>(left));
    if (ready < 0 && errno != EINTR) return system_error("poll the child", errno);
  } while (ready <= 0);
  return reap();
}

struct Place {
  std::uint64_t address = 0;
  std::optional<std::uint64_t> file_offset;
};

int find_in_executable(dl_phdr_info* object, std::size_t, void* data) {
  auto& place = *static_cast<Place*>(data);
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = object->dlpi_phdr[i];
    const std::uint64_t start = object->dlpi_addr + segment.p_vaddr;
    if (segment.p_type != PT_LOAD || place.address < start || place.address - start >= segment.p_filesz) continue;
    place.file_offset = place.address - start + segment.p_offset;
  }
  return 1;  // the executable comes first, no other object is wanted
}

Result<std::uint64_t> target_offset() {
  Place place{reinterpret_cast<std::uint64_t>(&mtlswatch_return_probe_target), std::nullopt};
  ::dl_iterate_phdr(find_in_executable, &place);
  if (!place.file_offset) return Error{"the probed function is not in the executable"};
  return *place.file_offset;
}

Result<ReturnProbeVerdict> judge(int status, const TrialProbe& probe) {
  if (WIFSIGNALED(status)) {
    const int number = WTERMSIG(status);
    const char* name = ::strsignal(number);
    return ReturnProbeVerdict{false, "a return probe kills processes that filter system calls: signal " +
                                         std::to_string(number) + " (" + (name != nullptr ? name : "?") + ")"};
  }
  if (WEXITSTATUS(status) == kChildUnfiltered) return Error{"the child could not filter its system calls"};
  if (WEXITSTATUS(status) != 0) return Error{"the child ended with " + std::to_string(WEXITSTATUS(status))};
  const auto hits = probe.hits();
  if (!hits) return hits.error();
  if (*hits == 0) return Error{"the return probe did not fire"};
  return ReturnProbeVerdict{true, "a process that filters system calls survived a return probe"};
}

}  // namespace

Result<ReturnProbeVerdict> check_return_probes(const ReturnProbeTrial& trial) {
  const std::string context = "check return probes";
  auto child = Child::start(trial.also);
  if (!child) return child.error().in(context);
  const auto offset = target_offset();
  if (!offset) return offset.error().in(context);
  const auto probe = TrialProbe::attach(trial.uprobes, child->pid(), *offset);
  if (!probe) return probe.error().in(context);
  const auto status = child->finish(trial.timeout_ms);
  if (!status) return status.error().in(context);
  const auto verdict = judge(*status, *probe);
  if (!verdict) return verdict.error().in(context);
  return *verdict;
}

}  // namespace mtlswatch
