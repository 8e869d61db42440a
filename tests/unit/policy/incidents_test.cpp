// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/policy/rules_fixture.h"

namespace mtlswatch {
namespace {

using testing::IsEmpty;

TEST_F(RulesTest, announce_an_incident_at_once_sum_it_up_and_end_it) {
  see(bypass(Reason::kNoClientCertificate));
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].state, "first");
  for (int i = 0; i < 300; ++i) {
    EXPECT_THAT(see(bypass(Reason::kNoClientCertificate)), IsEmpty());
    pass(1);
  }
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[1].state, "summary");
  EXPECT_EQ(all[1].count, 301u);
  EXPECT_EQ(all[1].fingerprint, all[0].fingerprint);
  EXPECT_NE(all[1].event_id, all[0].event_id);
  EXPECT_EQ(all[1].evidence.size(), IncidentBook::kEvidence);
  EXPECT_EQ(all[1].evidence.front(), all[0].evidence.front());
  pass(300);
  ASSERT_EQ(all.size(), 3u) << "no summary of nothing new";
  EXPECT_EQ(all[2].state, "resolved");
  EXPECT_EQ(all[2].first_seen_ns, all[0].first_seen_ns);
  pass(1000);
  EXPECT_EQ(all.size(), 3u);
  see(bypass(Reason::kNoClientCertificate));
  EXPECT_EQ(all.back().state, "first");
  EXPECT_EQ(all.back().fingerprint, all[0].fingerprint);
}

TEST_F(RulesTest, tell_incidents_apart_by_client_and_reason) {
  see(bypass(Reason::kNoClientCertificate));
  see(bypass(Reason::kNoClientCertificate, "198.51.100.24"));
  see(bypass(Reason::kClientCertificateNotVerified));
  see(bypass(Reason::kNoClientCertificate, "2001:db8::1"));
  see(bypass(Reason::kNoClientCertificate, "2001:db8::2"));
  EXPECT_EQ(all.size(), 4u) << "one host owns a whole /64";
}

TEST_F(RulesTest, hold_back_what_the_rate_limit_does_not_allow_and_tell_it_later) {
  const auto from = [](int i) { return "10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250); };
  for (int i = 0; i < 100; ++i) see(bypass(Reason::kNoClientCertificate, from(i).c_str()));
  EXPECT_EQ(count("MTLS-1001"), IncidentBook::kFirstAlertsAMinute);
  pass(61);
  EXPECT_EQ(count("MTLS-1001"), 100u);
}

TEST_F(RulesTest, count_what_was_held_back_for_good) {
  const auto from = [](int i) { return "10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250); };
  RuleConfig brief;
  brief.rule = "*";
  brief.resolve_after_s = 10;
  engine.reconfigure({brief});
  for (int i = 0; i < 100; ++i) see(bypass(Reason::kNoClientCertificate, from(i).c_str()));
  pass(61);
  see(bypass(Reason::kDirectConnection));
  std::uint64_t suppressed = 0;
  for (const AlertReport& alert : all) suppressed += alert.suppressed;
  EXPECT_EQ(suppressed, 40u);
}

TEST_F(RulesTest, gather_more_clients_than_are_told_apart_in_one_incident) {
  const auto from = [](int i) {
    return "10." + std::to_string(i / 62'500) + "." + std::to_string(i / 250 % 250) + "." + std::to_string(i % 250);
  };
  for (int i = 0; i < 20'000; ++i) see(bypass(Reason::kNoClientCertificate, from(i).c_str()));
  pass(299);
  EXPECT_EQ(count("MTLS-1001"), IncidentBook::kIncidentsOfARule + 1);
  EXPECT_EQ(std::count_if(all.begin(), all.end(), [](const AlertReport& alert) { return alert.reason == "many"; }), 1);
}

}  // namespace
}  // namespace mtlswatch
