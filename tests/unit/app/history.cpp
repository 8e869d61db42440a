// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/history.h"

#include <gtest/gtest.h>

#include "tests/unit/sink/reports.h"

namespace mtlswatch {
namespace {

Report request_with(const std::string& id) {
  RequestReport report = request_report();
  report.event_id = id;
  return report;
}

TEST(History, keeps_as_many_verdicts_as_it_may) {
  History history(2);
  for (const char* id : {"a", "b", "c"}) history.keep(request_with(id));
  EXPECT_EQ(history.find("a"), nullptr);
  ASSERT_NE(history.find("b"), nullptr);
  EXPECT_NE(history.find("c"), nullptr);
  EXPECT_EQ(history.reports().size(), 2u);
}

TEST(History, leaves_out_the_agents_own_life) {
  History history(2);
  history.keep(agent_report());
  history.keep(handshake_report());
  EXPECT_EQ(history.reports().size(), 1u);
}

TEST(History, keeps_nothing_when_its_capacity_is_zero) {
  History history(0);
  history.keep(request_with("a"));
  EXPECT_EQ(history.find("a"), nullptr);
}

}  // namespace
}  // namespace mtlswatch
