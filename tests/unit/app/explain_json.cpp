// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/explain_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/sink/reports.h"
#include "userspace/app/explain_words.h"

namespace mtlswatch {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::string explained(const Report& report) {
  const auto text = explain_text(ecs_json(report, test_context()), false);
  return text ? *text : "error: " + text.error().message;
}

TEST(Explain, tells_the_way_of_an_authenticated_request_with_its_evidence) {
  const std::string text = explained(request_report());
  EXPECT_THAT(text, HasSubstr("GET /orders: authenticated, verified_client_certificate\n"));
  EXPECT_THAT(text, HasSubstr("rq-1 at 2026-11-23T09:15:04.497215Z, status 200, request id 7b7c0f0c, trace "
                              "4bf92f3577b34da6a3ce929d0e0e4736"));
  EXPECT_THAT(text, HasSubstr("client certificate: presented, verification gave 0 (ok)"));
  EXPECT_THAT(text, HasSubstr("subject CN=alice,OU=Shop,O=Example,C=US"));
  EXPECT_THAT(text, HasSubstr("1. 198.51.100.23:51544 -> [2001:db8::1]:443  nginx (pid 4121, /usr/bin/nginx)"));
  EXPECT_THAT(text, HasSubstr("2. 127.0.0.1:8000  gunicorn (pid 7310, /usr/bin/gunicorn), backend \"shop\", read it"));
  EXPECT_THAT(text, HasSubstr("exact: exactly one client connection fits (1 client)"));
  EXPECT_THAT(text, HasSubstr("X-SSL-Client-S-DN: CN=alice  -- agrees with the certificate"));
}

TEST(Explain, names_who_connected_directly) {
  const std::string text = explained(direct_report());
  EXPECT_THAT(text, HasSubstr("POST /x: bypass, direct_connection\n"));
  EXPECT_THAT(text, HasSubstr("1. curl (pid 123, /usr/bin/curl), user 33, connected to the backend"));
}

TEST(Explain, says_that_a_claim_is_unfounded_where_there_is_no_certificate) {
  RequestReport report = request_report();
  report.claims.at(0).result = "contradicts";
  EXPECT_THAT(explained(report), HasSubstr("CONTRADICTS the certificate"));
  report.certificate.reset();
  report.origin.reset();
  EXPECT_THAT(explained(report), AllOf(HasSubstr("CLAIMS what no certificate"), Not(HasSubstr("CONTRADICTS"))));
}

TEST(Explain, counts_the_clients_that_may_have_asked) {
  RequestReport report = request_report();
  report.hops.at(0).source.reset();
  for (const auto& [count, words] : {std::pair(0u, "1. no clients ->"), {1u, "1. 1 client ->"}, {3u, "1. 3 clients ->"}}) {
    report.attribution.candidates = count;
    EXPECT_THAT(explained(report), HasSubstr(words));
  }
}

TEST(Explain, does_not_make_a_hop_of_who_connected_directly) {
  RequestReport report = direct_report();
  Hop& hop = report.hops.emplace_back();
  hop.process = report.peer_process;
  hop.evidence = "candidates";
  EXPECT_EQ(explained(report).find("several clients"), std::string::npos);
}

TEST(Explain, does_not_say_that_a_certificate_was_verified_where_no_code_was_seen) {
  RequestReport report = request_report();
  report.origin->verify_code.reset();
  EXPECT_THAT(explained(report), HasSubstr("client certificate: presented, verification was not seen"));
}

TEST(Explain, says_nothing_of_a_certificate_that_may_or_may_not_have_been_there) {
  RequestReport report = request_report();
  report.origin->presented.reset();
  EXPECT_THAT(explained(report), Not(HasSubstr("client certificate:")));
}

TEST(Explain, tells_a_handshake) {
  HandshakeReport report = handshake_report();
  report.outcome = "failure";
  report.reason = "certificate_verify_failed";
  report.session.verify_code = 10;
  EXPECT_THAT(explained(report),
              HasSubstr("TLS handshake 198.51.100.23:51544 -> 203.0.113.10:443: failure, certificate_verify_failed"));
  EXPECT_THAT(explained(report), HasSubstr("verification gave 10 (certificate has expired)"));
}

TEST(Explain, tells_an_alert_with_its_count_and_likely_cause) {
  AlertReport report = alert_report();
  report.cause = "proxy gone";
  EXPECT_THAT(explained(report), AllOf(HasSubstr("first: 2 times, from "), HasSubstr("likely cause: proxy gone"),
                                       HasSubstr("evidence: mtlswatch explain rq-9")));
}

TEST(Explain, has_words_for_every_reason) {
  for (const Reason reason : all_reasons()) EXPECT_FALSE(reason_words(text(reason)).empty()) << text(reason);
}

TEST(Explain, lets_no_path_steer_the_terminal) {
  RequestReport report = request_report();
  report.head.path = "/\x1b]0;owned\x07";
  EXPECT_THAT(explained(report), HasSubstr("/\\x1b]0;owned\\x07"));
  EXPECT_EQ(explained(report).find('\x1b'), std::string::npos);
}

TEST(Explain, refuses_what_is_no_event) {
  for (const char* line : {"", "{", "[]", "{}", "7", "{\"event\": 7}", "{\"event\": {\"module\": \"nginx\"}}"}) {
    EXPECT_FALSE(explain_text(line, false)) << line;
    EXPECT_FALSE(event_line(line, false)) << line;
    EXPECT_EQ(event_id_in_json(line), "") << line;
  }
}

TEST(Explain, copes_with_events_whose_fields_have_other_types) {
  const std::string odd = R"({"event": {"module": "mtlswatch", "dataset": "mtlswatch.request", "id": {}, "reason": []},
    "mtlswatch": {"hops": [7, {"tls": "yes", "source": []}, []], "claims": {"a": 1}, "attribution": "exact", "peer": {"process": {"pid": []}},
    "client_certificate": {"presented": true, "verify_code": "0"}}, "tls": [], "url": "x", "process": null})";
  EXPECT_TRUE(explain_text(odd, true));
  EXPECT_TRUE(event_line(odd, true));
}

TEST(EventLine, is_one_line_with_the_verdict_and_who) {
  const auto line = event_line(ecs_json(request_report(), test_context()), false);
  ASSERT_TRUE(line);
  EXPECT_THAT(*line, HasSubstr("request    authenticated  verified_client_certificate"));
  EXPECT_THAT(*line, HasSubstr("shop          CN=alice,OU=Shop,O=Example,C=US  GET /orders\n"));
  EXPECT_THAT(*line, HasSubstr("  rq-1  "));
}

}  // namespace
}  // namespace mtlswatch
