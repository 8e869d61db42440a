// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/event_filter.h"

#include <gtest/gtest.h>

#include "tests/unit/sink/reports.h"

namespace mtlswatch {
namespace {

bool passes(const char* filter, const Report& report) {
  const auto parsed = EventFilter::parse(filter);
  EXPECT_TRUE(parsed) << filter;
  return parsed && parsed->passes(report);
}

TEST(EventFilter, lets_everything_pass_when_empty) {
  EXPECT_TRUE(passes("", request_report()));
  EXPECT_TRUE(passes("", agent_report()));
}

TEST(EventFilter, asks_for_every_condition_and_any_of_its_values) {
  EXPECT_TRUE(passes("verdict=bypass|unknown", direct_report()));
  EXPECT_FALSE(passes("verdict=bypass|unknown", request_report()));
  EXPECT_TRUE(passes("dataset=request,backend=shop,reason=direct_connection", direct_report()));
  EXPECT_FALSE(passes("dataset=request,backend=other", direct_report()));
}

TEST(EventFilter, can_ask_for_what_is_not) {
  EXPECT_TRUE(passes("verdict!=authenticated", direct_report()));
  EXPECT_FALSE(passes("verdict!=authenticated", request_report()));
}

TEST(EventFilter, knows_the_other_kinds) {
  EXPECT_TRUE(passes("dataset=handshake,outcome=success", handshake_report()));
  EXPECT_FALSE(passes("verdict=authenticated", handshake_report()));
  EXPECT_TRUE(passes("action=agent-coverage", agent_report()));
}

TEST(EventFilter, says_what_is_wrong) {
  EXPECT_EQ(EventFilter::parse("verdict").error().message, "\"verdict\" is no condition, expected KEY=VALUE");
  EXPECT_EQ(EventFilter::parse("colour=red").error().message.substr(0, 32), "\"colour\" cannot be filtered by, ");
  EXPECT_FALSE(EventFilter::parse("=x"));
  EXPECT_FALSE(EventFilter::parse("verdict=a,"));
  EXPECT_FALSE(EventFilter::parse(std::string(5000, 'x')));
}

}  // namespace
}  // namespace mtlswatch
