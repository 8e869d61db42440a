// SPDX-License-Identifier: Apache-2.0
#include "userspace/sink/tally.h"
#include "tests/unit/builders/change.h"

#include <gtest/gtest.h>

#include "tests/unit/sink/reports.h"

namespace mtlswatch {
namespace {

std::uint64_t requests(const Tally& tally, const char* service, Verdict verdict, const char* reason) {
  return tally.counts().services.at(service).requests.at({verdict, reason});
}

TEST(Tally, has_every_reason_at_zero_before_the_first_request) {
  Tally tally;
  tally.know_service("shop");
  EXPECT_EQ(tally.counts().services.at("shop").requests.size(), all_reasons().size());
  EXPECT_EQ(requests(tally, "shop", Verdict::kBypass, "direct_connection"), 0u);
}

TEST(Tally, counts_requests_by_verdict_reason_and_status_class) {
  Tally tally;
  RequestReport failed = request_report();
  failed.status = 503;
  for (const Report& report : {Report(request_report()), Report(direct_report()), Report(failed)})
    tally.count(report, 9 * kSecond);
  EXPECT_EQ(requests(tally, "shop", Verdict::kAuthenticated, "verified_client_certificate"), 2u);
  EXPECT_EQ(requests(tally, "shop", Verdict::kBypass, "direct_connection"), 1u);
  const auto& responses = tally.counts().services.at("shop").responses;
  EXPECT_EQ(responses[0][2], 1u);
  EXPECT_EQ(responses[0][5], 1u);
  EXPECT_EQ(responses[1][2], 1u);
}

TEST(Tally, counts_requests_that_are_not_written) {
  Tally tally;
  RequestReport report = request_report();
  report.is_written = false;
  tally.count(report, 9 * kSecond);
  EXPECT_EQ(requests(tally, "shop", Verdict::kAuthenticated, "verified_client_certificate"), 1u);
}

TEST(Tally, counts_requests_that_no_id_joins_with_a_log) {
  Tally tally;
  RequestReport nameless = request_report(), traced = request_report(), cut = request_report();
  for (RequestReport* report : {&nameless, &traced, &cut}) report->head.request_id = report->head.correlation_id = report->head.trace_id = "";
  traced.head.trace_id = "4bf92f3577b34da6a3ce929d0e0e4736";
  cut.head.state = HeadState::kCut;
  for (const Report& report : {Report(request_report()), Report(nameless), Report(traced), Report(cut)})
    tally.count(report, 9 * kSecond);
  EXPECT_EQ(tally.counts().services.at("shop").without_id, 1u);
}

TEST(Tally, measures_the_delay_from_the_response) {
  Tally tally;
  const RequestReport report = request_report();
  tally.count(report, report.response_ns + 30'000'000);
  tally.count(report, report.response_ns - 1);  // clocks of two CPUs
  EXPECT_EQ(tally.counts().correlation_delay.counts[0], 1u);
  EXPECT_EQ(tally.counts().correlation_delay.counts[2], 1u);
  EXPECT_DOUBLE_EQ(tally.counts().correlation_delay.sum_s, 0.03);
}

TEST(Tally, bounds_the_number_of_services) {
  Tally tally;
  for (std::size_t i = 0; i < 2 * Tally::kServices; ++i) tally.know_service("app-" + std::to_string(i));
  EXPECT_EQ(tally.counts().services.size(), Tally::kServices + 1);
  RequestReport report = request_report();
  report.backend = "one more";
  tally.count(report, 9 * kSecond);
  EXPECT_EQ(requests(tally, Tally::kOtherService, Verdict::kAuthenticated, "verified_client_certificate"), 1u);
}

TEST(HandshakeLabels, never_hold_a_name_from_outside) {
  HandshakeReport report = handshake_report();
  change(report.process).name = "evil\nname";
  EXPECT_EQ(kind_of(report).proxy, "other");
  change(report.process).known_proxy = "nginx";
  EXPECT_EQ(kind_of(report).proxy, "nginx");
}

TEST(HandshakeLabels, tell_what_the_certificate_came_to) {
  HandshakeReport report = handshake_report();
  EXPECT_EQ(kind_of(report), (HandshakeKind{"other", "success", "verified", "1.3", "false"}));
  report.session.verify_code = 10;
  EXPECT_EQ(kind_of(report).client_cert, "unverified");
  report.session.presented = false;
  report.session.verify_code = 0;  // SSL_get_verify_result without a certificate
  EXPECT_EQ(kind_of(report).client_cert, "none");
  report.session.presented.reset();
  EXPECT_EQ(kind_of(report).client_cert, "unknown");
  report.outcome = "failure";
  EXPECT_EQ(kind_of(report).client_cert, "failed");
}

TEST(HandshakeLabels, do_not_take_a_certificate_without_a_verify_code_for_verified) {
  HandshakeReport report = handshake_report();
  report.session.verify_code.reset();
  EXPECT_EQ(kind_of(report).client_cert, "unknown");
}

TEST(Tally, counts_an_exempt_request_by_its_exemption) {
  Tally tally;
  RequestReport report = direct_report();
  report.verdict = Verdict::kExempt;
  report.exemption = AppliedExemption{"kubelet-probe", "ops", "", ""};
  tally.count(report, 9 * kSecond);
  EXPECT_EQ(requests(tally, "shop", Verdict::kExempt, "kubelet-probe"), 1u);
  EXPECT_EQ(requests(tally, "shop", Verdict::kBypass, "direct_connection"), 0u);
}

TEST(Tally, counts_an_incident_once) {
  Tally tally;
  tally.know_rule("MTLS-1001", Severity::kHigh);
  AlertReport alert;
  alert.rule_id = "MTLS-1001";
  alert.severity = Severity::kHigh;
  alert.suppressed = 2;
  for (const char* state : {"first", "summary", "resolved"}) {
    alert.state = state;
    tally.count(alert, 9 * kSecond);
  }
  EXPECT_EQ(tally.counts().alerts,
            (std::map<std::pair<std::string, std::string>, std::uint64_t>{{{"MTLS-1001", "high"}, 1}}));
  EXPECT_EQ(tally.counts().alerts_suppressed, 6u);
}

TEST(VerifyFailures, are_counted_whether_or_not_the_handshake_was_refused) {
  Tally tally;
  HandshakeReport refused = handshake_report();
  refused.outcome = "failure";
  refused.session.verify_code = 10;
  HandshakeReport accepted = handshake_report();
  accepted.session.verify_code = 18;
  HandshakeReport odd = handshake_report();
  odd.session.verify_code = 12345;
  for (const HandshakeReport& report : {refused, accepted, odd, handshake_report()}) tally.count(report, 9 * kSecond);
  EXPECT_EQ(tally.counts().verify_failures,
            (std::map<std::string, std::uint64_t>{{"expired", 1}, {"self_signed", 1}, {"other", 1}}));
}

}  // namespace
}  // namespace mtlswatch
