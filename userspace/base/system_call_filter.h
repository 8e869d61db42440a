// SPDX-License-Identifier: Apache-2.0
// What the agent may still ask of the kernel once it runs, on every thread that it has and will have. Beside systemd's filter,
// which must let pass what starting needs, and instead of it where the agent is no service of systemd's.
#pragma once

#include "userspace/base/result.h"

namespace mtlswatch {

/// Not where the kernel has no seccomp filters, nor in a build with AddressSanitizer, whose search for leaks traces the process.
bool can_filter_system_calls();

/// From here on, for good, every thread of this process may only make the calls that watching takes: no program can be started,
/// no process traced or signalled, no namespace made or entered, no user or mount changed; no BPF
/// program loaded either, unless with_perf_events, the way of placing uprobes that loads some later.
///
/// Everything else fails with EPERM and is told in the kernel's log. It kills nobody: a call that a library takes to one day
/// would else end the watching, which is worse than one function that fails and says so.
Status filter_system_calls(bool with_perf_events);

}  // namespace mtlswatch
