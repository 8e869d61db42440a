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

LibraryCoverage library_coverage() {
  LibraryCoverage library;
  library.path = "/usr/lib/libssl.so.3";
  library.name = "libssl.so.3";
  library.version = "OpenSSL 3.0.22";
  library.build_id = "a939";
  library.state = "partly";
  library.cannot_see = "why a handshake failed is not seen";
  library.pids = {4121};
  library.probes = {{"d2i_X509", "call site", 4096, "call 0x10", true, "", 7, kSecond},
                    {"ERR_vset_error", "", 0, "", false, "not in this file", 0, 0}};
  return library;
}

TEST(EcsAgent, tells_what_can_be_seen_of_a_library_and_what_cannot) {
  AgentReport report = agent_report();
  report.libraries = {library_coverage()};
  const json event = written(report);
  EXPECT_EQ(at(event, "/mtlswatch/agent/processes/0/tls_libraries"), json::array({"/usr/lib/libssl.so.3"}));
  EXPECT_EQ(at(event, "/mtlswatch/agent/libraries/0"), json::parse(R"({"path":"/usr/lib/libssl.so.3","name":"libssl.so.3",
    "version":"OpenSSL 3.0.22","build_id":"a939","tls_coverage":"partly","cannot_see":"why a handshake failed is not seen",
    "liveness":"not seen yet","probes":[{"symbol":"d2i_X509","state":"attached","placement":"call site","file_offset":4096,
    "instruction":"call 0x10","emulated":true,"hits":7,"last_hit":")" + at(event, "/mtlswatch/agent/libraries/0/probes/0/last_hit").get<std::string>() + R"("},
    {"symbol":"ERR_vset_error","state":"missing","reason":"not in this file"}]})"));
}

TEST(EcsAgent, says_of_a_library_that_it_was_seen_to_work_only_when_it_was) {
  AgentReport report = agent_report();
  report.libraries = {library_coverage(), library_coverage()};
  report.libraries[0].seen = true;
  report.libraries[1].state = "blind";
  const json event = written(report);
  EXPECT_EQ(at(event, "/mtlswatch/agent/libraries/0/liveness"), "seen");
  EXPECT_FALSE(has(event, "/mtlswatch/agent/libraries/1/liveness"));
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
