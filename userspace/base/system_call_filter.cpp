// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/system_call_filter.h"

#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <initializer_list>
#include <memory>

namespace mtlswatch {
namespace {

constexpr int kFree[] = {
    // files: /proc, outputs that are opened anew, configuration, secrets, the admin socket's file
    SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(openat2), SCMP_SYS(close), SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64),
    SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(pwrite64), SCMP_SYS(lseek), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(fstat),
    SCMP_SYS(newfstatat), SCMP_SYS(statx), SCMP_SYS(statfs), SCMP_SYS(fstatfs), SCMP_SYS(access), SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2), SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getdents64), SCMP_SYS(getcwd), SCMP_SYS(fcntl),
    SCMP_SYS(dup), SCMP_SYS(dup3), SCMP_SYS(ftruncate), SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(unlink), SCMP_SYS(unlinkat),
    SCMP_SYS(fadvise64),
    // waiting, time
    SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(select), SCMP_SYS(pselect6), SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2), SCMP_SYS(eventfd2), SCMP_SYS(pipe2), SCMP_SYS(pipe),
    SCMP_SYS(timerfd_settime), SCMP_SYS(nanosleep), SCMP_SYS(clock_nanosleep), SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres),
    SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(alarm),
    // connections: outputs, the API server, name resolution, HTTP, the admin socket, the service manager
    SCMP_SYS(connect), SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(bind), SCMP_SYS(listen), SCMP_SYS(shutdown), SCMP_SYS(sendto),
    SCMP_SYS(sendmsg), SCMP_SYS(sendmmsg), SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(recvmmsg), SCMP_SYS(getsockname),
    SCMP_SYS(getpeername), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt), SCMP_SYS(sendfile),
    // memory
    SCMP_SYS(brk), SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(mprotect), SCMP_SYS(madvise), SCMP_SYS(getrandom),
    // threads, and the child that shakes hands with itself
    SCMP_SYS(wait4), SCMP_SYS(waitid), SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(futex),
    SCMP_SYS(set_robust_list), SCMP_SYS(get_robust_list), SCMP_SYS(set_tid_address), SCMP_SYS(rseq), SCMP_SYS(membarrier),
    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack), SCMP_SYS(restart_syscall),
    SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity), SCMP_SYS(getcpu), SCMP_SYS(capget), SCMP_SYS(capset),
    // who and where it is
    SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getppid), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid),
    SCMP_SYS(getrusage), SCMP_SYS(getrlimit), SCMP_SYS(sysinfo), SCMP_SYS(uname), SCMP_SYS(times),
};

/// Of the kernel side's maps, links and iterators.
constexpr unsigned kBpfCommands[] = {BPF_MAP_LOOKUP_ELEM, BPF_MAP_UPDATE_ELEM,    BPF_MAP_DELETE_ELEM, BPF_MAP_GET_NEXT_KEY,
                                     BPF_LINK_CREATE,     BPF_OBJ_GET_INFO_BY_FD, BPF_ITER_CREATE,     BPF_LINK_DETACH};
constexpr unsigned kNewNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
constexpr unsigned long kRequests[] = {TCGETS, FIONREAD, FIONBIO};
constexpr unsigned long kPerfRequests[] = {PERF_EVENT_IOC_SET_BPF, PERF_EVENT_IOC_ENABLE, PERF_EVENT_IOC_DISABLE};

/// Rules for one filter; the first that is refused ends it.
class Rules {
 public:
  explicit Rules(scmp_filter_ctx filter) : filter_(filter) {}

  void allow(int call) { keep(seccomp_rule_add(filter_, SCMP_ACT_ALLOW, call, 0)); }

  /// Where the argument of that number, as the kernel takes it (32 bits), is one of these.
  template <typename Values>
  void allow_where(int call, unsigned argument, const Values& values) {
    for (const auto value : values) {
      const scmp_arg_cmp is_it = SCMP_CMP64(argument, SCMP_CMP_MASKED_EQ, 0xffffffffull, static_cast<scmp_datum_t>(value) & 0xffffffffull);
      keep(seccomp_rule_add_array(filter_, SCMP_ACT_ALLOW, call, 1, &is_it));
    }
  }

  /// Asks, changes nothing.
  void allow_reading_limits() {
    const scmp_arg_cmp has_no_new_limit = SCMP_CMP64(2, SCMP_CMP_EQ, 0);
    keep(seccomp_rule_add_array(filter_, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1, &has_no_new_limit));
  }

  /// glibc falls back to clone(), whose flags a filter can see.
  void allow_threads_and_children() {
    const scmp_arg_cmp has_no_namespace = SCMP_CMP64(0, SCMP_CMP_MASKED_EQ, kNewNamespaces, 0);
    keep(seccomp_rule_add_array(filter_, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, &has_no_namespace));
    keep(seccomp_rule_add(filter_, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0));
  }

  int failure() const { return failure_; }

 private:
  void keep(int result) {
    if (failure_ == 0) failure_ = -result;
  }

  scmp_filter_ctx filter_;
  int failure_ = 0;
};

int add_rules(scmp_filter_ctx filter, bool with_perf_events) {
  Rules rules(filter);
  for (const int call : kFree) rules.allow(call);
  rules.allow_reading_limits();
  rules.allow_threads_and_children();
  rules.allow_where(SCMP_SYS(socket), 0, std::initializer_list<int>{AF_UNIX, AF_INET, AF_INET6, AF_NETLINK});
  rules.allow_where(SCMP_SYS(socketpair), 0, std::initializer_list<int>{AF_UNIX});
  rules.allow_where(SCMP_SYS(prctl), 0, std::initializer_list<int>{PR_SET_NAME, PR_GET_NAME, PR_SET_PDEATHSIG});
  rules.allow_where(SCMP_SYS(kill), 1, std::initializer_list<int>{0});                   // whether it is there
  rules.allow_where(SCMP_SYS(tgkill), 0, std::initializer_list<pid_t>{::getpid()});      // abort()
  rules.allow_where(SCMP_SYS(bpf), 0, kBpfCommands);
  rules.allow_where(SCMP_SYS(ioctl), 1, kRequests);
  if (with_perf_events) {
    rules.allow(SCMP_SYS(perf_event_open));
    rules.allow_where(SCMP_SYS(ioctl), 1, kPerfRequests);
    rules.allow_where(SCMP_SYS(bpf), 0, std::initializer_list<int>{BPF_PROG_LOAD});  // libbpf's tests of the kernel, at its first probe
  }
  return rules.failure();
}

}  // namespace

bool can_filter_system_calls() {
#ifdef __SANITIZE_ADDRESS__
  return false;
#else
  const unsigned action = SECCOMP_RET_ERRNO;
  return ::syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
#endif
}

Status filter_system_calls(bool with_perf_events) {
  const char* const what = "filter system calls";
  const std::unique_ptr<void, decltype(&seccomp_release)> filter(seccomp_init(SCMP_ACT_ERRNO(EPERM)), &seccomp_release);
  if (!filter) return system_error(what, ENOMEM);
  if (const int failure = add_rules(filter.get(), with_perf_events); failure != 0) return system_error(what, failure);
  int failure = seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1);
  static_cast<void>(seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_LOG, 1));  // without it the refusals are not told
  if (failure == 0) failure = seccomp_load(filter.get());
  return failure == 0 ? Status(Done{}) : system_error(what, -failure);
}

}  // namespace mtlswatch
