// SPDX-License-Identifier: Apache-2.0
// Which of several ways this kernel has, found out by trying each with an empty program; never by version.
#pragma once

#include <string>
#include <vector>

#include "userspace/base/result.h"

namespace mtlswatch {

/// Where the kernel side learns of sends and receives, the best first.
enum class SocketSource { kLengthTracepoints, kFunctionExits, kCallExits, kNone };
/// How uprobes are put in place. Links need no CAP_SYS_ADMIN (Linux 6.6).
enum class UprobePath { kMultiLink, kPerfEvent };

struct KernelFeatures {
  SocketSource sockets = SocketSource::kNone;
  UprobePath uprobes = UprobePath::kPerfEvent;
  bool seccomp = false;  ///< filters of system calls, for the agent itself
  bool return_probes = true;  ///< not left out; whether they are safe is another question (return_probe_check.h)
  int refusal = 0;  ///< errno of the last way to sends and receives that was tried; with kNone
};

/// Names of ways that the kernel can be said not to have: "length_tracepoints", "function_exits", "call_exits",
/// "uprobe_multi", "return_probes", "seccomp".
const std::vector<std::string>& feature_names();

/// without: ways to leave out, for tests and for trouble. The error: a name that is none.
Result<KernelFeatures> try_kernel_features(const std::vector<std::string>& without = {});

/// The same for those who cannot do without a socket source.
Result<KernelFeatures> usable_features(const std::vector<std::string>& without);

std::string text(SocketSource source);
std::string text(UprobePath path);

}  // namespace mtlswatch
