// SPDX-License-Identifier: Apache-2.0
// Each rule fires on its case, and stays quiet beside it.
#include "tests/unit/policy/rules_fixture.h"
#include "tests/unit/builders/change.h"

namespace mtlswatch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST_F(RulesTest, stay_quiet_while_all_is_well) {
  for (int i = 0; i < 600; ++i) {
    if (i % 50 == 0) see(handshake());
    see(request());
    pass(1);
  }
  EXPECT_THAT(all, IsEmpty());
}

TEST_F(RulesTest, tell_each_kind_of_bypass_by_its_own_rule) {
  const std::pair<Reason, const char*> rows[] = {{Reason::kNoClientCertificate, "MTLS-1001"},
                                                 {Reason::kClientCertificateNotVerified, "MTLS-1001"},
                                                 {Reason::kResumedUnderOtherName, "MTLS-1001"},
                                                 {Reason::kDirectConnection, "MTLS-1003"},
                                                 {Reason::kPlaintextIngress, "MTLS-1004"}};
  for (const auto& [reason, id] : rows) {
    const RequestReport report = bypass(reason);
    const auto alerts = see(report);
    ASSERT_EQ(alerts.size(), 1u) << text(reason);
    EXPECT_EQ(alerts[0].rule_id, id);
    EXPECT_EQ(alerts[0].reason, text(reason));
    EXPECT_EQ(alerts[0].backend, "shop");
    EXPECT_THAT(alerts[0].evidence, ElementsAre(report.event_id));
  }
}

TEST_F(RulesTest, tell_an_ambiguity_only_where_it_may_be_a_bypass) {
  RequestReport report = bypass(Reason::kAmbiguous);
  EXPECT_THAT(see(report), IsEmpty());
  report.worst_case = Verdict::kUnknown;
  EXPECT_THAT(see(report), IsEmpty());
  report.worst_case = Verdict::kBypass;
  ASSERT_EQ(see(report).size(), 1u);
  EXPECT_EQ(all[0].rule_id, "MTLS-1001");
}

TEST_F(RulesTest, say_nothing_of_an_exempt_request) {
  RequestReport report = bypass(Reason::kDirectConnection);
  report.verdict = Verdict::kExempt;
  EXPECT_THAT(see(report), IsEmpty());
}

TEST_F(RulesTest, tell_a_spoofed_header_and_beside_a_bypass_too) {
  RequestReport report = bypass(Reason::kIdentityHeaderSpoofed);
  report.claims = {{"X-SSL-Client-Subject", "subject", "CN=root", "contradicts"}};
  ASSERT_EQ(see(report).size(), 1u);
  EXPECT_EQ(all[0].rule_id, "MTLS-1002");
  EXPECT_EQ(all[0].severity, Severity::kCritical);
  RequestReport direct = bypass(Reason::kDirectConnection);
  direct.claims = report.claims;
  EXPECT_EQ(see(direct).size(), 2u);
  RequestReport honest = request();
  honest.claims = {{"X-SSL-Client-Subject", "subject", "CN=alice", "matches"},
                   {"X-Other", "other", "x", "not_checked"}};
  EXPECT_THAT(see(honest), IsEmpty());
}

TEST_F(RulesTest, tell_an_unexpected_client_once_for_each_of_its_faults) {
  RequestReport report = request();
  report.violations = {"unexpected_issuer", "unexpected_subject"};
  see(report);
  see(report);
  EXPECT_EQ(count("MTLS-1006"), 2u);
}

TEST_F(RulesTest, tell_certificates_that_expired_expire_soon_or_are_not_valid_yet) {
  const auto with_end = [&](std::int64_t not_after_s, const char* sha256) {
    HandshakeReport report = handshake();
    report.session.chain[0].not_after_s = not_after_s;
    report.session.chain[0].sha256 = sha256;
    return report;
  };
  const std::int64_t now_s = kUtc + 1000;
  EXPECT_THAT(see(with_end(now_s + 15 * 86'400, "fine")), IsEmpty());
  const auto soon = see(with_end(now_s + 13 * 86'400, "soon"));
  ASSERT_EQ(soon.size(), 1u);
  EXPECT_EQ(soon[0].reason, "expires_soon");
  EXPECT_EQ(soon[0].severity, Severity::kLow);
  HandshakeReport refused = with_end(now_s - 1, "past");
  refused.session.verify_code = 10;
  const auto expired = see(refused);
  ASSERT_EQ(expired.size(), 1u);
  EXPECT_EQ(expired[0].reason, "expired");
  EXPECT_EQ(expired[0].severity, Severity::kMedium);
  EXPECT_EQ(see(with_end(now_s - 1, "accepted")).at(0).severity, Severity::kHigh);
  HandshakeReport early = handshake();
  early.session.chain[0].not_before_s = now_s + 5;
  EXPECT_EQ(see(early).at(0).reason, "not_yet_valid");
  RequestReport kept = request();
  kept.violations = {"certificate_expired"};
  EXPECT_EQ(see(kept).at(0).rule_id, "MTLS-1005");
}

TEST_F(RulesTest, tell_a_weak_protocol_that_was_accepted) {
  HandshakeReport old = handshake();
  change(old.session.server_hello).version = 0x0301;
  EXPECT_EQ(see(old).at(0).rule_id, "MTLS-1009");
  old.outcome = "failure";
  change(old.session.server_hello).version = 0x0302;
  see(old);
  EXPECT_EQ(count("MTLS-1009"), 1u);
}

TEST_F(RulesTest, tell_a_burst_of_failures_from_one_source_and_not_many_from_many) {
  for (int i = 0; i < 50; ++i) see(failure("alert_unknown_ca", ("203.0.113." + std::to_string(i)).c_str()));
  for (int i = 0; i < 9; ++i) see(failure());
  pass(61);
  for (int i = 0; i < 8; ++i) see(failure());
  EXPECT_EQ(count("MTLS-1011"), 0u);
  see(failure());
  see(failure());
  EXPECT_EQ(count("MTLS-1011"), 1u);
  EXPECT_EQ(all.back().cause, "alert_unknown_ca");
}

TEST_F(RulesTest, count_a_certificate_that_did_not_verify_as_a_failure_though_tls_went_on) {
  HandshakeReport report = handshake();
  report.session.verify_code = 20;
  for (int i = 0; i < 10; ++i) see(report);
  EXPECT_EQ(count("MTLS-1011"), 1u);
}

TEST_F(RulesTest, hold_many_sources_in_bounded_memory) {
  for (int i = 0; i < 10'000; ++i)
    see(failure(
        "x", ("10." + std::to_string(i / 65'536) + "." + std::to_string(i / 256 % 256) + "." + std::to_string(i % 256))
                 .c_str()));
  for (int i = 0; i < 10; ++i) see(failure());
  EXPECT_EQ(count("MTLS-1011"), 1u);
}

TEST_F(RulesTest, tell_a_listener_that_refused_and_now_forwards) {
  see(failure("peer_did_not_return_a_certificate"));
  see(bypass(Reason::kNoClientCertificate));
  EXPECT_EQ(count("MTLS-1010"), 1u);
  EXPECT_THAT(all.back().message, HasSubstr("it refused such clients before"));
}

TEST_F(RulesTest, tell_a_listener_that_saw_only_verified_clients_and_not_one_that_was_always_lax) {
  see(bypass(Reason::kNoClientCertificate));
  for (int i = 0; i < 19; ++i) see(request());
  see(bypass(Reason::kNoClientCertificate));
  EXPECT_EQ(count("MTLS-1010"), 0u) << "19 in a row are not enough";
  for (int i = 0; i < 20; ++i) see(request());
  see(failure("alert_bad_certificate"));  // the client refused the server: no refusal of the listener's
  see(bypass(Reason::kNoClientCertificate));
  EXPECT_EQ(count("MTLS-1010"), 1u);
}

TEST_F(RulesTest, tell_a_high_failure_rate_beside_the_statuses) {
  for (int i = 0; i < 19; ++i) see(failure("x", ("198.51.100." + std::to_string(i)).c_str()));
  pass(60);
  EXPECT_EQ(count("MTLS-1012"), 0u) << "too few";
  for (int i = 0; i < 20; ++i) see(failure("x", ("198.51.100." + std::to_string(i)).c_str()));
  for (int i = 0; i < 21; ++i) see(handshake());
  pass(60);
  EXPECT_EQ(count("MTLS-1012"), 0u) << "most succeed";
  for (int i = 0; i < 20; ++i) see(failure("x", ("198.51.100." + std::to_string(i)).c_str()));
  for (int i = 0; i < 5; ++i) see(handshake());
  RequestReport failing = request();
  failing.status = 503;
  see(failing);
  pass(60);
  ASSERT_EQ(count("MTLS-1012"), 1u);
  EXPECT_THAT(all.back().message, HasSubstr("20 of 25"));
  EXPECT_THAT(all.back().message, HasSubstr("5xx 1"));
  EXPECT_EQ(all.back().cause, "the service fails as well");
}

TEST_F(RulesTest, tell_lost_records_unjudged_requests_and_fronts_that_cannot_be_seen) {
  AgentReport loss;
  loss.time_ns = now_ns;
  loss.action = "agent-ready";
  EXPECT_THAT(see(loss), IsEmpty());
  loss.records_lost = 3;
  EXPECT_EQ(see(loss).at(0).reason, "records_lost");
  for (int i = 0; i < 100; ++i) see(request());
  for (int i = 0; i < 20; ++i) see(bypass(Reason::kUnboundSession));
  pass(60);
  EXPECT_EQ(count("MTLS-1008"), 1u) << "a sixth of the requests";
  for (int i = 0; i < 20; ++i) see(bypass(Reason::kEventLoss));
  pass(60);
  EXPECT_EQ(count("MTLS-1008"), 2u);
  ProcessFacts blind = nginx();
  blind.tls_coverage = "blind";
  engine.on_process(blind);
  pass(60);
  EXPECT_EQ(count("MTLS-1008"), 2u) << "a server that forwards nothing blinds nobody";
  RequestReport unseen = bypass(Reason::kUnsupportedTlsLibrary);
  change(unseen.hops[0].process) = blind;
  see(unseen);
  pass(60);
  EXPECT_EQ(count("MTLS-1008"), 3u);
  EXPECT_EQ(all.back().reason, "front_not_seen");
  EXPECT_THAT(all.back().evidence, ElementsAre(unseen.event_id));
}

TEST_F(RulesTest, may_be_disabled_or_tuned_by_id_or_name) {
  RuleConfig off, low;
  off.rule = "mtls-bypass";
  off.enabled = false;
  low.rule = "MTLS-1011";
  low.threshold = 2;
  engine.reconfigure({off, low});
  EXPECT_THAT(see(bypass(Reason::kNoClientCertificate)), IsEmpty());
  see(failure());
  EXPECT_EQ(see(failure()).size(), 1u);
}

}  // namespace
}  // namespace mtlswatch
