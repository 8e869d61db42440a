// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/health.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace mtlswatch {
namespace {

using Processes = std::map<std::uint32_t, ProcessFacts>;

HealthCheck check(const char* name, bool ok, std::string detail) { return {name, ok, false, std::move(detail)}; }

HealthCheck check_backends(const HealthFacts& facts, const Processes& processes) {
  std::set<std::string> found;
  for (const auto& [pid, process] : processes) {
    if (!process.backend.empty()) found.insert(process.backend);
  }
  std::string missing;
  for (const std::string& name : facts.needed_backends) {
    if (!found.contains(name)) missing += (missing.empty() ? "" : ", ") + name;
  }
  HealthCheck result = check("backends", missing.empty(), fmt::format("{} found", found.size()));
  result.needed = true;
  if (!missing.empty()) result.detail = "no process found for: " + missing;
  return result;
}

/// A front whose handshakes cannot be seen makes its requests unknown. Only those that do forward count: any server of
/// root is a front by discovery, whether or not it has to do with a backend.
HealthCheck check_fronts(const HealthFacts& facts, const Processes& processes) {
  std::size_t fronts = 0;
  std::string blind;
  for (const auto& [pid, process] : processes) {
    if (!process.front || !facts.forwarding.contains(pid)) continue;
    ++fronts;
    if (process.tls_coverage == "attached" || process.tls_coverage.empty() || !blind.empty()) continue;
    blind = fmt::format("TLS of {} (pid {}) is {}: {}", process.name, pid, process.tls_coverage,
                        process.tls_coverage_reason);
  }
  return check("fronts", blind.empty(), blind.empty() ? fmt::format("{} forward requests", fronts) : blind);
}

bool has_container(const Pod& pod, const std::string& name) {
  return name.empty() || std::any_of(pod.containers.begin(), pod.containers.end(), [&](const PodContainer& each) { return each.name == name; });
}

HealthCheck check_kubernetes(const KubernetesStatus& status) {
  const bool ok = status.synced && status.last_error.empty();
  return check("kubernetes", ok, ok ? fmt::format("{} pods", status.pods) : status.last_error.empty() ? "not asked yet" : status.last_error);
}

}  // namespace

std::vector<std::string> needed_backends(const std::vector<BackendConfig>& configured, bool pods_are_known, const PodDirectory& pods) {
  const std::vector<const Pod*> present = pods.present();
  const auto runs_here = [&](const BackendMatch& match) {
    return std::any_of(present.begin(), present.end(), [&](const Pod* pod) { return is_asked_for(match, *pod) && has_container(*pod, match.container); });
  };
  std::vector<std::string> names;
  for (const BackendConfig& backend : configured) {
    const bool may_be_elsewhere = backend.match && backend.match->asks_for_a_pod() && backend.listen.empty();
    if (!may_be_elsewhere || !pods_are_known || runs_here(*backend.match)) names.push_back(backend.name);
  }
  return names;
}

std::vector<HealthCheck> check_health(const HealthFacts& facts, const Processes& processes) {
  std::vector<HealthCheck> checks = {check_backends(facts, processes), check_fronts(facts, processes)};
  checks.push_back(check("handshake_probes", facts.libraries_attached > 0,
                         facts.libraries_attached > 0 ? fmt::format("in {} libraries", facts.libraries_attached)
                                                      : "no TLS library could be probed"));
  checks.push_back(check("return_probes", facts.return_probes_are_safe,
                         facts.return_probes_are_safe ? "" : "not proved safe here: handshakes stay unknown"));
  checks.push_back(check("maps", facts.full_maps.empty(),
                         facts.full_maps.empty() ? "" : fmt::format("full: {}; processes and ports that come now are not seen", fmt::join(facts.full_maps, ", "))));
  checks.push_back(check("losses", facts.lost_lately == 0, fmt::format("{} in the last minute", facts.lost_lately)));
  checks.push_back(check("outputs", facts.outputs_lost_lately == 0,
                         fmt::format("{} events lost in the last minute{}{}", facts.outputs_lost_lately,
                                     facts.output_error.empty() ? "" : ": ", facts.output_error)));
  checks.push_back(check("configuration", facts.configuration_refused.empty(), facts.configuration_refused));
  if (facts.kubernetes) checks.push_back(check_kubernetes(*facts.kubernetes));
  return checks;
}

}  // namespace mtlswatch
