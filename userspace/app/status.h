// SPDX-License-Identifier: Apache-2.0
// Puts the agent's state together from its parts. On the event loop's thread.
#pragma once

#include <vector>

#include "userspace/app/pipeline.h"
#include "userspace/app/watcher.h"
#include "userspace/model/config.h"
#include "userspace/model/status.h"
#include "userspace/probe/kernel.h"

namespace mtlswatch {

/// Where the figures come from; all outlive the status.
struct StatusSources {
  const Config& config;
  const Kernel& kernel;
  const Watcher& watcher;
  const Pipeline& pipeline;
};

/// What the kernel, the tables and the watched processes say. Counts, identities, outputs and checks are the caller's.
/// handed_over: records from the ring so far, by kind.
AgentStatus gather_status(const StatusSources& sources, const std::vector<std::uint64_t>& handed_over);

}  // namespace mtlswatch
