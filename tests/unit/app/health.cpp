// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/health.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/sink/reports.h"

namespace mtlswatch {
namespace {

struct Host {
  HealthFacts facts{.needed_backends = {"shop"},
                    .forwarding = {2},
                    .return_probes_are_safe = true,
                    .libraries_attached = 1,
                    .full_maps = {},
                    .lost_lately = 0,
                    .outputs_lost_lately = 0,
                    .output_error = "",
                    .kubernetes = {},
                    .configuration_refused = ""};
  std::map<std::uint32_t, ProcessFacts> processes;

  Host() {
    processes[1] = process(1, "gunicorn");
    processes[1].backend = "shop";
    processes[2] = process(2, "nginx");
    processes[2].front = true;
    processes[2].tls_coverage = "attached";
  }
  AgentStatus status() const {
    AgentStatus status;
    status.checks = check_health(facts, processes);
    return status;
  }
};

TEST(Health, is_good_when_everything_is_seen) {
  EXPECT_TRUE(Host().status().is_ready());
  EXPECT_FALSE(Host().status().is_degraded());
}

TEST(Health, is_degraded_when_a_map_of_the_kernel_side_is_full) {
  Host host;
  host.facts.full_maps = {"observed_processes", "protected_ports"};
  EXPECT_TRUE(host.status().is_ready());
  EXPECT_TRUE(host.status().is_degraded());
  const auto checks = host.status().checks;
  const auto maps = std::find_if(checks.begin(), checks.end(), [](const HealthCheck& check) { return !check.ok; });
  EXPECT_EQ(maps->detail, "full: observed_processes, protected_ports; processes and ports that come now are not seen");
}

TEST(Health, is_not_ready_without_a_configured_backend) {
  Host host;
  host.facts.needed_backends.push_back("billing");
  EXPECT_FALSE(host.status().is_ready());
  EXPECT_EQ(host.status().checks[0].detail, "no process found for: billing");
}

TEST(Health, needs_a_backend_that_is_told_by_its_pod_only_where_such_a_pod_is) {
  BackendConfig everywhere, shop;
  everywhere.match.emplace().executable = "/bin/x";
  shop.match.emplace().pod_labels = {{"app", "shop"}};
  shop.match->container = "web";
  const std::vector<BackendConfig> both = {everywhere, shop};
  PodDirectory pods;
  const auto needed = [&](bool known = true) { return needed_backends(both, known, pods).size(); };
  EXPECT_EQ(needed(), 1u);
  EXPECT_EQ(needed(false), 2u) << "the API server has not answered yet";
  Pod pod;
  pod.uid = "u1";
  pod.labels = {{"app", "shop"}};
  pods.put(pod);
  EXPECT_EQ(needed(), 1u) << "none of its containers is the one that is asked for";
  pod.containers = {{"c1", "web", "shop:1", "containerd"}};
  pods.put(pod);
  EXPECT_EQ(needed(), 2u);
  pods.remove("u1");
  EXPECT_EQ(needed(), 1u) << "it ended";
}

TEST(Health, is_degraded_but_ready_for_everything_else) {
  std::vector<Host> hosts(6);
  hosts[0].processes[2].tls_coverage = "blind";
  hosts[1].facts.return_probes_are_safe = false;
  hosts[2].facts.libraries_attached = 0;
  hosts[3].facts.lost_lately = 1;
  hosts[4].facts.outputs_lost_lately = 1;
  hosts[5].facts.configuration_refused = "http need a restart";
  for (const Host& host : hosts) {
    EXPECT_TRUE(host.status().is_ready());
    EXPECT_TRUE(host.status().is_degraded());
  }
}

TEST(Health, does_not_mind_a_blind_server_that_forwards_nothing) {
  Host host;
  host.processes[2].tls_coverage = "blind";
  host.facts.forwarding.clear();
  EXPECT_FALSE(host.status().is_degraded());
}

TEST(Health, names_the_front_that_cannot_be_seen) {
  Host host;
  host.processes[2].tls_coverage = "blind";
  host.processes[2].tls_coverage_reason = "no symbols";
  EXPECT_EQ(host.status().checks[1].detail, "TLS of nginx (pid 2) is blind: no symbols");
}

}  // namespace
}  // namespace mtlswatch
