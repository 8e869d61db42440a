// SPDX-License-Identifier: Apache-2.0
// What the peers are told: bodies, signatures, frames.
#include <gtest/gtest.h>

#include "tests/unit/sink/reports.h"
#include "userspace/sink/alertmanager.h"
#include "userspace/sink/sink.h"
#include "userspace/sink/syslog.h"
#include "userspace/sink/webhook.h"

namespace mtlswatch {
namespace {

TEST(Webhook, body_holds_alerts_and_other_events_apart) {
  Message alert, request;
  alert.json = R"({"a":1})";
  alert.alert.emplace();
  request.json = R"({"r":2})";
  const Message all[] = {alert, request, alert};
  EXPECT_EQ(webhook_body(all), R"({"version":"1","alerts":[{"a":1},{"a":1}],"events":[{"r":2}]})");
  EXPECT_EQ(webhook_body(std::span(all, 1)), R"({"version":"1","alerts":[{"a":1}]})");
}

TEST(Webhook, signature_is_the_hmac_of_time_and_body) {
  // printf '1795425302.{}' | openssl dgst -sha256 -hmac secret
  EXPECT_EQ(webhook_signature("secret", "{}", 1'795'425'302),
            "t=1795425302,v1=51ad91cb194a47491ec3866b5eaf6b52535edf089f3b5ffe6c2a8d5f3e717bac");
}

TEST(Syslog, frame_counts_its_octets) {
  Message message;
  message.json = "{\"m\":\"\xC3\xA9\"}";
  message.time = "2026-11-23T09:15:02.000001Z";
  message.dataset = "mtlswatch.alert";
  message.severity = 2;
  const std::string text = "<106>1 2026-11-23T09:15:02.000001Z edge-1 mtlswatch 7 alert - {\"m\":\"\xC3\xA9\"}";
  EXPECT_EQ(syslog_frame(message, "edge-1", 7), std::to_string(text.size()) + " " + text);
  EXPECT_NE(syslog_frame(message, "no name", 7).find("Z - mtlswatch"), std::string::npos);
}

TEST(Alertmanager, is_reminded_of_what_is_active_and_told_once_of_an_end) {
  AlertmanagerState state(test_context());
  AlertReport report = alert_report();
  state.take(report);
  const auto active = nlohmann::json::parse(state.body(1'795'425'400));
  ASSERT_EQ(active.size(), 1u);
  EXPECT_EQ(active[0]["labels"]["alertname"], "mtls-bypass");
  EXPECT_EQ(active[0]["labels"]["rule_id"], "MTLS-1001");
  EXPECT_EQ(active[0]["labels"]["severity"], "warning");
  EXPECT_EQ(active[0]["labels"]["service"], "shop");
  EXPECT_EQ(active[0]["startsAt"], "2026-11-23T09:15:04.000000Z");
  EXPECT_EQ(active[0]["endsAt"], "2026-11-23T09:16:40Z");
  EXPECT_EQ(active[0]["annotations"]["evidence"], "rq-1 rq-9");
  state.told();
  EXPECT_FALSE(state.empty());
  report.state = "resolved";
  report.count = 9;
  state.take(report);
  const auto ended = nlohmann::json::parse(state.body(1'795'425'400));
  EXPECT_EQ(ended[0]["labels"], active[0]["labels"]) << "labels are its identity";
  EXPECT_EQ(ended[0]["endsAt"], "2026-11-23T09:15:07.000000Z");
  state.told();
  EXPECT_TRUE(state.empty());
}

TEST(Alertmanager, remembers_no_more_than_it_may) {
  AlertmanagerState state(test_context());
  AlertReport report = alert_report();
  for (std::size_t i = 0; i <= AlertmanagerState::kAlerts; ++i) {
    report.fingerprint = std::to_string(i);
    report.last_seen_ns = i + 1;
    state.take(report);
  }
  const auto body = nlohmann::json::parse(state.body(0));
  EXPECT_EQ(body.size(), AlertmanagerState::kAlerts);
  for (const auto& alert : body) EXPECT_NE(alert["labels"]["fingerprint"], "0");
}

TEST(KindFilter, takes_the_default_of_each_type) {
  OutputConfig output;
  EXPECT_TRUE(KindFilter(output).takes(request_report()));
  output.type = "webhook";
  EXPECT_FALSE(KindFilter(output).takes(request_report()));
  EXPECT_TRUE(KindFilter(output).takes(alert_report()));
  output.events = {"request"};
  EXPECT_TRUE(KindFilter(output).takes(request_report()));
  EXPECT_FALSE(KindFilter(output).takes(alert_report()));
}

TEST(EcsAlert, says_rule_incident_and_evidence) {
  const auto event = written(alert_report());
  EXPECT_EQ(at(event, "/event/kind"), "alert");
  EXPECT_EQ(at(event, "/event/dataset"), "mtlswatch.alert");
  EXPECT_EQ(at(event, "/event/action"), "mtls-bypass");
  EXPECT_EQ(at(event, "/event/severity"), 73);
  EXPECT_EQ(at(event, "/rule/id"), "MTLS-1001");
  EXPECT_EQ(at(event, "/rule/name"), "mtls-bypass");
  EXPECT_EQ(at(event, "/mtlswatch/alert/state"), "first");
  EXPECT_EQ(at(event, "/mtlswatch/alert/count"), 2);
  EXPECT_EQ(at(event, "/mtlswatch/alert/evidence"), nlohmann::json({"rq-1", "rq-9"}));
  EXPECT_EQ(at(event, "/source/ip"), "198.51.100.23");
  EXPECT_EQ(at(event, "/service/name"), "shop");
}

TEST(EcsRequest, says_whose_exemption_let_it_go_and_what_it_would_have_been) {
  RequestReport report = direct_report();
  report.verdict = Verdict::kExempt;
  report.exemption = AppliedExemption{"probe", "ops@example.org", "no certificate", "2027-06-30"};
  const auto event = written(report);
  EXPECT_EQ(at(event, "/event/reason"), "probe");
  EXPECT_EQ(at(event, "/mtlswatch/verdict"), "exempt");
  EXPECT_EQ(at(event, "/mtlswatch/exemption/owner"), "ops@example.org");
  EXPECT_EQ(at(event, "/mtlswatch/exemption/instead_of"), "direct_connection");
}

}  // namespace
}  // namespace mtlswatch
