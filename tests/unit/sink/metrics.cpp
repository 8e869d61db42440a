// SPDX-License-Identifier: Apache-2.0
#include "userspace/sink/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/sink/reports.h"
#include "userspace/sink/tally.h"

namespace mtlswatch {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string text_of(const AgentStatus& status) { return metrics_text(status, ProcessUsage{1.5, 4096, 7, 12}); }

TEST(Metrics, tell_requests_with_their_verdict_and_reason) {
  Tally tally;
  tally.count(direct_report(), 9 * kSecond);
  AgentStatus status;
  status.counts = tally.counts();
  const std::string text = text_of(status);
  EXPECT_THAT(
      text,
      HasSubstr("mtlswatch_requests_total{service=\"shop\",verdict=\"bypass\",reason=\"direct_connection\"} 1\n"));
  EXPECT_THAT(text,
              HasSubstr("mtlswatch_requests_total{service=\"shop\",verdict=\"unknown\",reason=\"event_loss\"} 0\n"));
  EXPECT_THAT(text,
              HasSubstr("mtlswatch_responses_total{service=\"shop\",verdict=\"bypass\",status_class=\"2xx\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("mtlswatch_correlation_delay_seconds_count 1\n"));
}

TEST(Metrics, never_show_an_identity_address_or_path) {
  Tally tally;
  tally.count(request_report(), 9 * kSecond);
  tally.count(handshake_report(), 9 * kSecond);
  AgentStatus status;
  status.counts = tally.counts();
  const std::string text = text_of(status);
  for (const char* secret : {"alice", "198.51.100.23", "/orders", "Example CA", "55FBB9C7"})
    EXPECT_THAT(text, Not(HasSubstr(secret)));
}

TEST(Metrics, have_handshake_series_before_the_first_handshake) {
  EXPECT_THAT(text_of({}), HasSubstr("client_cert=\"verified\",tls_version=\"1.3\",resumed=\"false\"} 0\n"));
  EXPECT_THAT(text_of({}), HasSubstr("mtlswatch_tls_verify_failures_total{reason=\"expired\"} 0\n"));
}

TEST(Metrics, quote_what_a_configured_name_may_hold) {
  AgentStatus status;
  status.counts.services["a\"b\\c\nd"].requests[{Verdict::kBypass, "direct_connection"}] = 1;
  EXPECT_THAT(text_of(status), HasSubstr("service=\"a\\\"b\\\\c\\nd\""));
}

TEST(Metrics, stay_readable_when_a_found_name_is_no_utf8) {
  AgentStatus status;
  status.counts.services["caf\xe9"].requests[{Verdict::kBypass, "direct_connection"}] = 1;
  EXPECT_THAT(text_of(status), HasSubstr("service=\"caf?\""));
}

TEST(Metrics, say_whether_the_agent_is_ready) {
  AgentStatus status;
  status.checks = {{"fronts", false, false, "blind"}};
  EXPECT_THAT(text_of(status), HasSubstr("mtlswatch_ready 1\n"));
  EXPECT_THAT(text_of(status), HasSubstr("mtlswatch_health_check{check=\"fronts\"} 0\n"));
  status.checks.push_back({"backends", false, true, "none"});
  EXPECT_THAT(text_of(status), HasSubstr("mtlswatch_ready 0\n"));
}

TEST(Metrics, say_when_the_configuration_was_read_and_whether_a_newer_one_was_refused) {
  AgentStatus status;
  status.configuration = {1'795'425'307, ""};
  EXPECT_THAT(text_of(status), HasSubstr("mtlswatch_config_last_reload_successful 1\n"));
  EXPECT_THAT(text_of(status), HasSubstr("mtlswatch_config_last_reload_success_timestamp_seconds 1795425307\n"));
  status.configuration.refused = "http need a restart";
  EXPECT_THAT(text_of(status), HasSubstr("mtlswatch_config_last_reload_successful 0\n"));
}

}  // namespace
}  // namespace mtlswatch
