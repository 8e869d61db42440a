// SPDX-License-Identifier: Apache-2.0
// Whether the agent sees what it should: the checks behind /readyz, `status` and mtlswatch_health_check. Values only.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "userspace/model/config.h"
#include "userspace/model/pod.h"
#include "userspace/model/process.h"
#include "userspace/model/status.h"

namespace mtlswatch {

struct HealthFacts {
  std::vector<std::string> needed_backends;
  std::set<std::uint32_t> forwarding;  ///< processes that requests at a backend came from, of late
  bool return_probes_are_safe = true;
  std::uint64_t libraries_attached = 0;  ///< TLS libraries with probes
  std::vector<std::string> full_maps;    ///< of the kernel side
  std::uint64_t lost_lately = 0;         ///< records and events, in the last minute
  std::uint64_t outputs_lost_lately = 0;
  std::string output_error;
  std::optional<KubernetesStatus> kubernetes;
  std::string configuration_refused;  ///< why SIGHUP changed nothing
};

/// Names of the backends that this host must have a process of. One that is told by its pod runs on some nodes only: it is needed
/// where such a pod is, and until this node's pods are known.
std::vector<std::string> needed_backends(const std::vector<BackendConfig>& configured, bool pods_are_known, const PodDirectory& pods);

/// Needed: every needed backend has a process. The others only degrade.
std::vector<HealthCheck> check_health(const HealthFacts& facts, const std::map<std::uint32_t, ProcessFacts>& processes);

}  // namespace mtlswatch
