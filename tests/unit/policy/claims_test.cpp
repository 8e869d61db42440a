// SPDX-License-Identifier: Apache-2.0
#include "userspace/policy/claims.h"

#include <gtest/gtest.h>

namespace mtlswatch {
namespace {

TEST(Claims, header_names_fold_case_and_underscore) {
  EXPECT_EQ(fold_header_name("X_SSL_Client-Verify"), "x-ssl-client-verify");
}

TEST(Claims, every_identity_header_is_listed_and_none_is_believed) {
  RequestHead head;
  head.identity_headers = {{"X-SSL-Client-S-DN", "CN=root"}, {"SSL_CLIENT_VERIFY", "SUCCESS"}, {"X-Ours", "7"}};
  const std::vector<Claim> claims = list_claims(head.identity_headers);
  ASSERT_EQ(claims.size(), 3u);
  EXPECT_EQ(claims[0].kind, "subject");
  EXPECT_EQ(claims[1].kind, "verify");
  EXPECT_EQ(claims[2].kind, "other");
  for (const Claim& claim : claims) EXPECT_EQ(claim.result, "not_checked");
}

Session session(bool presented, int verify_code) {
  Session facts;
  facts.state = SessionState::kEstablished;
  facts.presented = presented;
  facts.verify_code = verify_code;
  if (!presented) return facts;
  Certificate leaf;
  leaf.parsed = true;
  leaf.subject = {"CN=alice,O=Example", {"alice"}, {}, {}, {}};
  leaf.serial_number = "0A11CE";
  facts.chain = {leaf};
  return facts;
}

SettledExchange exchange_from(std::vector<Session> sessions) {
  SettledExchange exchange;
  for (Session& facts : sessions) exchange.provenance.origins.emplace_back().session = std::move(facts);
  return exchange;
}

RequestReport claiming(const std::vector<HeaderField>& headers, Reason reason = Reason::kVerifiedClientCertificate) {
  RequestReport report;
  report.reason = reason;
  report.head.state = HeadState::kComplete;
  report.head.identity_headers = headers;
  report.claims = list_claims(report.head.identity_headers);
  return report;
}

TEST(Claims, that_fit_the_certificate_match_and_leave_the_request_authenticated) {
  RequestReport report = claiming({{"X-SSL-Client-Verify", "SUCCESS"}, {"X-SSL-Client-Subject", "/O=Example/CN=alice"},
                                   {"SSL_CLIENT_S_DN", "alice"}, {"X-SSL-Client-Serial", "a11ce"}});
  hold_claims(exchange_from({session(true, 0)}), report);
  for (const Claim& claim : report.claims) EXPECT_EQ(claim.result, "matches") << claim.header;
  EXPECT_EQ(report.reason, Reason::kVerifiedClientCertificate);
}

TEST(Claims, one_that_contradicts_the_certificate_is_spoofed_however_many_match) {
  RequestReport report = claiming({{"X-SSL-Client-Subject", "CN=alice,O=Example"}, {"X_SSL_Client_Subject", "CN=root,O=Example"}});
  hold_claims(exchange_from({session(true, 0)}), report);
  EXPECT_EQ(report.claims[1].result, "contradicts");
  EXPECT_EQ(report.reason, Reason::kIdentityHeaderSpoofed);
}

TEST(Claims, of_less_than_was_proved_accuse_nobody) {
  RequestReport report = claiming({{"X-SSL-Client-Verify", "NONE"}, {"X-SSL-Client-Verify", "FAILED:x"}, {"X-SSL-Client-Verify", "1"}, {"X-SSL-Client-Subject", ""}, {"X-SSL-Client-Subject", "(null)"}});
  hold_claims(exchange_from({session(true, 0)}), report);
  for (const Claim& claim : report.claims) EXPECT_EQ(claim.result, "not_checked") << claim.value;
  EXPECT_EQ(report.reason, Reason::kVerifiedClientCertificate);
}

TEST(Claims, of_one_among_several_candidates_are_contradicted_only_by_all) {
  Session bob = session(true, 0);
  bob.chain[0].subject = {"CN=bob,O=Example", {"bob"}, {}, {}, {}};
  RequestReport report = claiming({{"X-SSL-Client-Subject", "CN=bob,O=Example"}});
  hold_claims(exchange_from({session(true, 0), bob}), report);
  EXPECT_EQ(report.reason, Reason::kVerifiedClientCertificate);
  RequestReport liar = claiming({{"X-SSL-Client-Subject", "CN=root,O=Example"}});
  hold_claims(exchange_from({session(true, 0), bob}), liar);
  EXPECT_EQ(liar.reason, Reason::kIdentityHeaderSpoofed);
}

TEST(Claims, without_any_certificate_contradict_and_the_transport_reason_stays) {
  for (const Reason reason : {Reason::kDirectConnection, Reason::kPlaintextIngress}) {
    RequestReport report = claiming({{"X-SSL-Client-Subject", "CN=alice"}, {"X-SSL-Client-Verify", "SUCCESS"}, {"X-SSL-Client-Verify", "NONE"}, {"X-Forwarded-Client-Cert", "?"}}, reason);
    hold_claims({}, report);
    EXPECT_EQ(report.claims[0].result, "contradicts");
    EXPECT_EQ(report.claims[1].result, "contradicts");
    EXPECT_EQ(report.claims[2].result, "matches");
    EXPECT_EQ(report.claims[3].result, "contradicts");
    EXPECT_EQ(report.reason, reason);
  }
}

TEST(Claims, of_a_certificate_that_did_not_verify_are_held_against_it) {
  RequestReport report = claiming({{"X-SSL-Client-Verify", "SUCCESS"}, {"X-SSL-Client-Verify", "FAILED:expired"}, {"X-SSL-Client-CN", "alice"}}, Reason::kClientCertificateNotVerified);
  hold_claims(exchange_from({session(true, 10)}), report);
  EXPECT_EQ(report.claims[0].result, "contradicts");
  EXPECT_EQ(report.claims[1].result, "matches");
  EXPECT_EQ(report.claims[2].result, "matches");
  EXPECT_EQ(report.reason, Reason::kClientCertificateNotVerified);
}

TEST(Claims, are_not_checked_where_nothing_is_proved) {
  RequestReport unknown = claiming({{"X-SSL-Client-Subject", "CN=root"}}, Reason::kAmbiguous);
  hold_claims(exchange_from({session(true, 0)}), unknown);
  EXPECT_EQ(unknown.claims[0].result, "not_checked");
  RequestReport cut = claiming({{"X-SSL-Client-Subject", "CN=root"}});
  cut.head.state = HeadState::kCut;
  hold_claims(exchange_from({session(true, 0)}), cut);
  EXPECT_EQ(cut.claims[0].result, "not_checked");
  EXPECT_EQ(cut.reason, Reason::kVerifiedClientCertificate);
  Session resumed = session(true, 0);
  resumed.chain.clear();
  RequestReport unseen = claiming({{"X-SSL-Client-Subject", "CN=root"}});
  hold_claims(exchange_from({resumed}), unseen);
  EXPECT_EQ(unseen.claims[0].result, "not_checked");
}

TEST(Claims, that_name_the_proxy_between_are_told_and_not_accused) {
  RequestReport report = claiming({{"X-SSL-Client-Subject", "CN=edge-proxy,O=Example"}});
  Hop& inner = report.hops.emplace_back();
  inner.tls = true;
  inner.session = session(true, 0);
  inner.session.chain[0].subject.text = "CN=edge-proxy,O=Example";
  hold_claims(exchange_from({session(true, 0)}), report);
  EXPECT_EQ(report.claims[0].result, "names_proxy");
  EXPECT_EQ(report.reason, Reason::kVerifiedClientCertificate);
}

}  // namespace
}  // namespace mtlswatch
