// SPDX-License-Identifier: Apache-2.0
#include "userspace/sink/identity_table.h"

#include <gtest/gtest.h>

#include "tests/unit/sink/reports.h"

namespace mtlswatch {
namespace {

Certificate certificate_of(const std::string& name) {
  Certificate certificate = alice();
  certificate.subject.text = "CN=" + name;
  certificate.subject.common_name = {name};
  return certificate;
}

RequestReport request_of(const std::string& name, std::uint64_t time_ns = kSecond, std::int64_t not_after_s = 0) {
  RequestReport report = request_report();
  Certificate certificate = certificate_of(name);
  if (not_after_s != 0) certificate.not_after_s = not_after_s;
  report.certificate = std::make_shared<Certificate>(std::move(certificate));
  report.time_ns = time_ns;
  return report;
}

TEST(IdentityTable, lists_the_most_frequent_first) {
  IdentityTable table(10);
  table.note(request_of("alice"));
  for (int i = 0; i < 3; ++i) table.note(request_of("bob"));
  ASSERT_EQ(table.top(10).size(), 2u);
  EXPECT_EQ(table.top(1).at(0).common_name, "bob");
  EXPECT_EQ(table.top(1).at(0).requests, 3u);
  EXPECT_EQ(table.top(1).at(0).service, "shop");
}

TEST(IdentityTable, keeps_the_same_name_of_two_issuers_apart) {
  IdentityTable table(10);
  table.note(request_of("alice"));
  RequestReport foreign = request_of("alice");
  Certificate certificate = *foreign.certificate;
  certificate.issuer.text = "CN=Other CA";
  foreign.certificate = std::make_shared<Certificate>(certificate);
  table.note(foreign);
  EXPECT_EQ(table.size(), 2u);
}

TEST(IdentityTable, counts_handshakes_that_did_not_verify_apart) {
  IdentityTable table(10);
  HandshakeReport report = handshake_report();
  table.note(report);
  report.session.verify_code = 10;
  table.note(report);  // accepted all the same: optional_no_ca
  report.outcome = "failure";
  table.note(report);
  EXPECT_EQ(table.top(1).at(0).handshakes, 1u);
  EXPECT_EQ(table.top(1).at(0).handshakes_rejected, 2u);
}

TEST(IdentityTable, does_not_credit_a_request_that_is_not_authenticated) {
  IdentityTable table(10);
  RequestReport report = request_of("alice");
  report.verdict = Verdict::kBypass;
  table.note(report);
  EXPECT_EQ(table.size(), 0u);
}

TEST(IdentityTable, forgets_the_one_not_seen_for_longest_when_full) {
  IdentityTable table(2);
  table.note(request_of("alice"));
  table.note(request_of("bob"));
  table.note(request_of("alice"));
  table.note(request_of("carol"));
  EXPECT_EQ(table.size(), 2u);
  EXPECT_EQ(table.evicted(), 1u);
  for (const IdentitySeen& seen : table.top(2)) EXPECT_NE(seen.common_name, "bob");
}

TEST(IdentityTable, keeps_nothing_with_a_capacity_of_zero) {
  IdentityTable table(0);
  table.note(request_of("alice"));
  EXPECT_EQ(table.size(), 0u);
}

TEST(IdentityTable, shortens_names_that_never_end) {
  IdentityTable table(2);
  table.note(request_of(std::string(100'000, 'x')));
  EXPECT_LT(table.top(1).at(0).common_name.size(), 300u);
}

TEST(IdentityTable, tells_the_soonest_expiry_among_those_seen_lately) {
  IdentityTable table(10);
  RequestReport old = request_of("old", 1 * kSecond, 100);
  RequestReport soon = request_of("soon", 100 * kSecond, 200);
  RequestReport late = request_of("late", 101 * kSecond, 300);
  for (const RequestReport& report : {old, soon, late}) table.note(report);
  EXPECT_EQ(table.soonest_expiry_s(50 * kSecond), (std::map<std::string, std::int64_t>{{"shop", 200}}));
}

TEST(IdentitySummary, is_an_event_with_the_names_and_their_counts) {
  AgentReport report;
  report.time_ns = 3 * kSecond;
  report.action = "identity-summary";
  report.identities_known = 7;
  IdentityTable table(10);
  table.note(request_of("alice"));
  report.identities = table.top(10);
  const auto event = written(report);
  EXPECT_EQ(at(event, "/event/kind"), "metric");
  EXPECT_EQ(at(event, "/mtlswatch/identities/distinct"), 7);
  EXPECT_EQ(at(event, "/mtlswatch/identities/top/0/common_name"), "alice");
  EXPECT_EQ(at(event, "/mtlswatch/identities/top/0/first_seen"), "2026-11-23T09:15:03.000000Z");
  EXPECT_FALSE(has(event, "/mtlswatch/agent"));
}

}  // namespace
}  // namespace mtlswatch
