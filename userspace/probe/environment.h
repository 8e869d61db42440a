// SPDX-License-Identifier: Apache-2.0
// What the agent needs from the host, checked one by one. Used by `doctor`, and by `run` before it loads anything.
#pragma once

#include <string>
#include <vector>

#include "userspace/probe/kernel_features.h"

namespace mtlswatch {

struct EnvironmentCheck {
  std::string name;
  bool ok = false;
  std::string detail;  ///< what was found
  std::string advice;  ///< one sentence: what to do; empty if there is nothing to do
  bool fatal = false;  ///< nothing can be observed. Only ever set when not ok
};

/// Where the host's facts are read; tests give a tree of their own.
struct EnvironmentRoots {
  std::string proc = "/proc";
  std::string sys = "/sys";
};

/// uprobes: with links, CAP_SYS_ADMIN is not missed.
/// In the order in which they should be read: kernel release, BTF, capabilities, perf_event_paranoid, lockdown,
/// uprobes, user namespace.
std::vector<EnvironmentCheck> check_environment(const EnvironmentRoots& roots = {},
                                                UprobePath uprobes = UprobePath::kPerfEvent);

}  // namespace mtlswatch
