// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/unit/sink/reports.h"

namespace mtlswatch {
namespace {

using nlohmann::json;

TEST(EcsAgent, tells_what_is_watched) {
  const json event = written(agent_report());
  EXPECT_EQ(at(event, "/event/kind"), "state");
  EXPECT_EQ(at(event, "/event/action"), "agent-coverage");
  EXPECT_EQ(at(event, "/event/dataset"), "mtlswatch.agent");
  EXPECT_EQ(at(event, "/message"), "watching 1 process");
  EXPECT_EQ(at(event, "/mtlswatch/agent"), json::parse(R"({"records_lost":0,"processes":[{"pid":4121,"name":"nginx",
    "executable":"/usr/bin/nginx","command_line":"nginx --serve","user":{"id":"33"},"cgroup":"/system.slice/nginx.service",
    "front":true,"tls_coverage":"attached","listeners":["0.0.0.0:443"]}]})"));
}

TEST(EcsAgent, pairs_its_life_with_the_types_that_ecs_allows) {
  AgentReport report;
  for (const auto& [action, type] :
       {std::pair{"agent-ready", "start"}, {"agent-stopping", "end"}, {"agent-loss", "info"}}) {
    report.action = action;
    const json event = written(report);
    EXPECT_EQ(at(event, "/event/category"), json::array({"process"}));
    EXPECT_EQ(at(event, "/event/type"), json::array({type}));
    EXPECT_EQ(at(event, "/event/kind"), "event");
  }
}

TEST(EcsAgent, counts_what_was_lost) {
  AgentReport report;
  report.action = "agent-loss";
  report.records_lost = 42;
  EXPECT_EQ(at(written(report), "/mtlswatch/agent"), json::parse(R"({"records_lost":42})"));
}

}  // namespace
}  // namespace mtlswatch
