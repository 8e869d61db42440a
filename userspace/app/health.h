// SPDX-License-Identifier: Apache-2.0
// Whether the agent sees what it should: the checks behind /readyz, `status` and mtlswatch_health_check. Values only.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "userspace/model/process.h"
#include "userspace/model/status.h"

namespace mtlswatch {

struct HealthFacts {
  std::vector<std::string> configured_backends;
  std::set<std::uint32_t> forwarding;  ///< processes that requests at a backend came from, of late
  bool return_probes_are_safe = true;
  std::uint64_t libraries_attached = 0;  ///< TLS libraries with probes
  std::uint64_t lost_lately = 0;         ///< records and events, in the last minute
  std::uint64_t outputs_lost_lately = 0;
  std::string output_error;
  std::optional<KubernetesStatus> kubernetes;
  std::string configuration_refused;  ///< why SIGHUP changed nothing
};

/// Needed: every configured backend has a process. The others only degrade.
std::vector<HealthCheck> check_health(const HealthFacts& facts, const std::map<std::uint32_t, ProcessFacts>& processes);

}  // namespace mtlswatch
