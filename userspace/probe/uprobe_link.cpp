// SPDX-License-Identifier: Apache-2.0
#include "userspace/probe/uprobe_link.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace mtlswatch {
namespace {

constexpr std::uint32_t kAtReturn = 1;  // BPF_F_UPROBE_MULTI_RETURN

/// The uprobe_multi arm of union bpf_attr.link_create (include/uapi/linux/bpf.h of Linux 6.6).
struct UprobeMultiAttr {
  std::uint32_t program_fd, target_fd, attach_type, flags;
  std::uint64_t path, offsets, reference_offsets, cookies;
  std::uint32_t count, multi_flags, pid, padding;
};

std::uint64_t address(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer); }

}  // namespace

UniqueFd link_uprobe(int program_fd, const UprobePlace& place) {
  UprobeMultiAttr attr{};
  attr.program_fd = static_cast<std::uint32_t>(program_fd);
  attr.attach_type = kUprobeMulti;
  attr.path = address(place.path);
  attr.offsets = address(&place.file_offset);
  attr.cookies = address(&place.cookie);
  attr.count = 1;
  attr.multi_flags = place.at_return ? kAtReturn : 0;
  attr.pid = place.pid;
  return UniqueFd(static_cast<int>(::syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof attr)));
}

// perf_uprobe_event_init and perf_kprobe_event_init, since the fix of CVE-2025-38466.
Error refused_uprobe(const std::string& what, UprobePath path, int error_number) {
  const bool is_right = path == UprobePath::kPerfEvent && (error_number == EACCES || error_number == EPERM);
  return system_error(is_right ? what + ", which needs CAP_SYS_ADMIN where the kernel has no uprobe_multi links (Linux 6.6)" : what, error_number);
}

Result<Uprobe> Uprobe::place(UprobePath path, const bpf_program* program, const UprobePlace& place) {
  Uprobe probe;
  if (path == UprobePath::kMultiLink) {
    probe.link_ = link_uprobe(bpf_program__fd(program), place);
  } else {
    LIBBPF_OPTS(bpf_uprobe_opts, options);
    options.retprobe = place.at_return;
    options.bpf_cookie = place.cookie;
    probe.event_.reset(bpf_program__attach_uprobe_opts(program, place.pid != 0 ? static_cast<pid_t>(place.pid) : -1, place.path, place.file_offset, &options));
  }
  if (!probe.link_ && !probe.event_) return refused_uprobe("attach a uprobe", path, errno);
  return probe;
}

}  // namespace mtlswatch
