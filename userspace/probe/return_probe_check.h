// SPDX-License-Identifier: Apache-2.0
// Asks this kernel whether return probes kill processes that filter their system calls. Used before the probe stage
// attaches any. Linux 6.11 made the return trampoline a system call (uretprobe), which a seccomp filter that does not
// know it answers by killing the process, until seccomp learnt to let it pass (nginx/nginx#226); backports differ, so
// the version says nothing and a child process of our own is put to the test.
#pragma once

#include <string>

#include "userspace/base/result.h"
#include "userspace/probe/kernel_features.h"

namespace mtlswatch {

struct ReturnProbeVerdict {
  bool safe = false;
  std::string reason;  ///< for a human
};

/// What varies in tests.
struct ReturnProbeTrial {
  UprobePath uprobes = UprobePath::kPerfEvent;  ///< how the probe is put in place
  int timeout_ms = 2000;
  void (*also)() = nullptr;  ///< run by the filtered child after the probed function
};

/// Takes a few milliseconds, at most the timeout. Leaves no process and no descriptor behind.
/// Errors: the probe could not be attached (privileges), did not fire, or the child did not end in time.
Result<ReturnProbeVerdict> check_return_probes(const ReturnProbeTrial& trial = {});

}  // namespace mtlswatch
