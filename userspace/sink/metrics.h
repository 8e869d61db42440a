// SPDX-License-Identifier: Apache-2.0
// The agent's state in Prometheus' text format. Pure, so any thread. Labels carry configured names and fixed
// vocabularies only: no address, port, path or identity.
#pragma once

#include <cstdint>
#include <string>

#include "userspace/model/status.h"

namespace mtlswatch {

/// What the operating system says of this process.
struct ProcessUsage {
  double cpu_seconds = 0;
  std::uint64_t resident_bytes = 0;
  std::uint64_t open_fds = 0;
  double started_s = 0;  ///< since 1970
};

std::string metrics_text(const AgentStatus& status, const ProcessUsage& usage);

}  // namespace mtlswatch
