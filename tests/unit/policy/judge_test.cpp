// SPDX-License-Identifier: Apache-2.0
#include "userspace/policy/judge.h"
#include "tests/unit/builders/change.h"

#include <gtest/gtest.h>

namespace mtlswatch {
namespace {

Endpoint tcp(const char* ip, std::uint16_t port) { return Endpoint{*parse_ip(ip), port, {}}; }

ProcessFacts process(std::uint32_t pid, bool front) {
  ProcessFacts facts;
  facts.pid = pid;
  facts.front = front;
  return facts;
}

Origin verified_origin(const std::string& name = "alice") {
  Origin origin;
  origin.source = tcp("203.0.113.9", 40000);
  origin.destination = tcp("10.0.0.1", 443);
  change(origin.process) = process(10, true);
  origin.first_bytes = FirstBytes::kTls;
  origin.session.state = SessionState::kEstablished;
  origin.session.presented = true;
  origin.session.verify_code = 0;
  Certificate leaf;
  leaf.parsed = true;
  leaf.subject.text = "CN=" + name;
  leaf.alternative_names = {"spiffe://example.org/" + name};
  origin.session.chain = {leaf};
  return origin;
}

Origin plaintext_origin() {
  Origin origin = verified_origin();
  origin.session = {};
  origin.first_bytes = FirstBytes::kHttp1;
  return origin;
}

/// A request that came through a local front and was attributed by both witnesses.
SettledExchange through_front(const Origin& origin) {
  SettledExchange exchange;
  exchange.request.head.state = HeadState::kComplete;
  exchange.status = 200;
  change(exchange.process).backend = "shop";
  exchange.server = tcp("127.0.0.1", 8000);
  exchange.provenance.peer_kind = PeerKind::kProcess;
  change(exchange.provenance.peer_process) = process(10, true);
  exchange.provenance.upstream_seen = true;
  exchange.provenance.origins = {origin};
  exchange.provenance.attribution = {"request+response", Confidence::kExact, 1};
  return exchange;
}

SettledExchange among(std::vector<Origin> origins) {
  SettledExchange exchange = through_front(verified_origin());
  exchange.provenance.attribution = {"candidates", Confidence::kOneOf, static_cast<std::uint32_t>(origins.size())};
  exchange.provenance.origins = std::move(origins);
  return exchange;
}

SettledExchange from_remote(const char* ip) {
  SettledExchange exchange = through_front(verified_origin());
  exchange.provenance = {};
  exchange.provenance.peer_kind = PeerKind::kRemote;
  exchange.provenance.peer = tcp(ip, 55555);
  return exchange;
}

class JudgeTest : public testing::Test {
 protected:
  RequestReport judge(const SettledExchange& exchange) { return Judge(config, addresses).judge(exchange); }
  Reason reason(const SettledExchange& exchange) { return judge(exchange).reason; }

  Config config;
  HostAddresses addresses;
};

TEST_F(JudgeTest, a_remote_address_that_may_be_source_nats_is_no_bypass) {
  SettledExchange exchange = from_remote("192.0.2.1");
  config.backends.emplace_back().name = exchange.process->backend;
  config.backends[0].proxies.emplace();
  EXPECT_EQ(reason(exchange), Reason::kDirectConnection);
  exchange.provenance.backend_connection_lossy = true;
  EXPECT_EQ(reason(exchange), Reason::kEventLoss);
  exchange.provenance.backend_connection_predates = true;
  EXPECT_EQ(reason(exchange), Reason::kPredatesAgent);
  exchange.provenance.peer_kind = PeerKind::kTranslated;
  EXPECT_EQ(reason(exchange), Reason::kPeerNotMonitored);
}

TEST_F(JudgeTest, a_verified_certificate_behind_an_exact_attribution_is_authenticated_and_shown) {
  const RequestReport report = judge(through_front(verified_origin()));
  EXPECT_EQ(report.verdict, Verdict::kAuthenticated);
  EXPECT_EQ(report.reason, Reason::kVerifiedClientCertificate);
  ASSERT_TRUE(report.certificate);
  EXPECT_EQ(report.certificate->subject.text, "CN=alice");
  EXPECT_EQ(report.source->port, 40000);
  EXPECT_EQ(report.destination->port, 443);
}

TEST_F(JudgeTest, what_the_session_lacks_is_told_apart) {
  Origin origin = verified_origin();
  origin.session.presented = false;
  origin.session.verify_code = 0;  // X509_V_OK when nothing was sent
  EXPECT_EQ(reason(through_front(origin)), Reason::kNoClientCertificate);
  origin = verified_origin();
  origin.session.verify_code = 10;
  EXPECT_EQ(reason(through_front(origin)), Reason::kClientCertificateNotVerified);
  origin.session.verify_code.reset();
  EXPECT_EQ(reason(through_front(origin)), Reason::kUnboundSession);
  origin = verified_origin();
  origin.session.presented.reset();
  EXPECT_EQ(reason(through_front(origin)), Reason::kUnboundSession);
  origin = verified_origin();
  origin.session.chain.clear();
  EXPECT_EQ(reason(through_front(origin)), Reason::kEventLoss);
  EXPECT_EQ(reason(through_front(plaintext_origin())), Reason::kPlaintextIngress);
}

TEST_F(JudgeTest, a_session_that_was_not_seen_is_never_a_bypass) {
  Origin origin = verified_origin();
  origin.session = {};
  origin.predates_agent = true;
  EXPECT_EQ(reason(through_front(origin)), Reason::kPredatesAgent);
  origin.predates_agent = false;
  origin.touched_by_loss = true;
  EXPECT_EQ(reason(through_front(origin)), Reason::kEventLoss);
  origin.touched_by_loss = false;
  EXPECT_EQ(reason(through_front(origin)), Reason::kUnboundSession);
  origin.session.state = SessionState::kHandshaking;
  change(origin.session.server_hello) = {};
  EXPECT_EQ(reason(through_front(origin)), Reason::kUnsupportedTlsLibrary);
}

TEST_F(JudgeTest, lost_records_overrule_whatever_else_was_seen) {
  SettledExchange exchange = through_front(verified_origin());
  exchange.touched_by_loss = true;
  EXPECT_EQ(reason(exchange), Reason::kEventLoss);
}

TEST_F(JudgeTest, all_candidates_verified_is_authenticated_without_naming_one) {
  const RequestReport report = judge(among({verified_origin("alice"), verified_origin("bob")}));
  EXPECT_EQ(report.verdict, Verdict::kAuthenticated);
  EXPECT_EQ(report.attribution.confidence, Confidence::kOneOf);
  EXPECT_FALSE(report.certificate);
  EXPECT_FALSE(report.source);
}

// Told so once, end to end: a health check of HAProxy's while nobody but verified clients was connected.
TEST_F(JudgeTest, what_may_be_nobodys_request_is_not_authenticated_by_candidates) {
  SettledExchange exchange = among({verified_origin("alice"), verified_origin("bob")});
  exchange.provenance.may_be_proxys_own = true;
  const RequestReport report = judge(exchange);
  EXPECT_EQ(report.reason, Reason::kAmbiguous);
  EXPECT_EQ(report.worst_case, Verdict::kUnknown);
}

TEST_F(JudgeTest, one_unverified_candidate_makes_it_ambiguous_with_the_worst_case_told) {
  const RequestReport report = judge(among({verified_origin(), plaintext_origin()}));
  EXPECT_EQ(report.reason, Reason::kAmbiguous);
  EXPECT_EQ(report.worst_case, Verdict::kBypass);
  EXPECT_EQ(report.attribution.confidence, Confidence::kNone);
  EXPECT_FALSE(report.certificate);
}

TEST_F(JudgeTest, a_request_with_no_candidate_is_the_proxys_own) {
  EXPECT_EQ(reason(among({})), Reason::kProxyOriginated);
}

TEST_F(JudgeTest, a_front_whose_sending_was_not_seen_is_unknown) {
  SettledExchange exchange = through_front(verified_origin());
  exchange.provenance.upstream_seen = false;
  exchange.provenance.upstream_predates = true;
  EXPECT_EQ(reason(exchange), Reason::kPredatesAgent);
}

TEST_F(JudgeTest, a_local_process_that_is_no_front_is_a_direct_connection_and_named) {
  SettledExchange exchange = through_front(verified_origin());
  exchange.provenance.origins.clear();
  change(exchange.provenance.peer_process) = process(77, false);
  exchange.provenance.peer = tcp("127.0.0.1", 50001);
  const RequestReport report = judge(exchange);
  EXPECT_EQ(report.reason, Reason::kDirectConnection);
  ASSERT_TRUE(report.peer_process);
  EXPECT_EQ(report.peer_process->pid, 77u);
  EXPECT_EQ(report.source->port, 50001);
}

TEST_F(JudgeTest, a_users_own_relay_neither_authenticates_nor_is_accused_of_what_is_not_proved) {
  SettledExchange exchange = through_front(verified_origin());
  change(exchange.provenance.peer_process) = process(77, false);
  EXPECT_EQ(reason(exchange), Reason::kFrontNotTrusted);
  exchange.provenance.origins = {plaintext_origin()};
  EXPECT_EQ(reason(exchange), Reason::kDirectConnection);
}

TEST_F(JudgeTest, beyond_a_stranger_only_a_proved_bypass_is_told) {
  SettledExchange exchange = through_front(verified_origin());
  exchange.provenance.through_stranger = true;
  EXPECT_EQ(reason(exchange), Reason::kFrontNotTrusted);
  exchange.provenance.origins = {plaintext_origin()};
  EXPECT_EQ(reason(exchange), Reason::kPlaintextIngress);
  exchange.provenance.origins.clear();
  EXPECT_EQ(reason(exchange), Reason::kFrontNotTrusted) << "its clients were not seen";
  change(exchange.provenance.peer_process) = process(77, false);
  EXPECT_EQ(reason(exchange), Reason::kFrontNotTrusted);
}

TEST_F(JudgeTest, a_session_that_a_front_may_have_opened_identifies_no_client) {
  Origin origin = verified_origin();
  origin.may_be_a_fronts_own = true;
  EXPECT_EQ(reason(through_front(origin)), Reason::kAmbiguous);
  origin.session.presented = false;
  EXPECT_EQ(reason(through_front(origin)), Reason::kAmbiguous);
}

TEST_F(JudgeTest, a_backend_that_ends_tls_itself_is_judged_by_its_own_session_where_no_front_stands_before_it) {
  SettledExchange exchange = from_remote("192.0.2.7");
  exchange.request.head.state = HeadState::kEncrypted;
  exchange.provenance.own_tls = verified_origin();
  const RequestReport report = judge(exchange);
  EXPECT_EQ(report.reason, Reason::kVerifiedClientCertificate);
  EXPECT_EQ(report.source->port, 40000);
  exchange.provenance.own_tls->session.presented = false;
  EXPECT_EQ(reason(exchange), Reason::kNoClientCertificate);
}

TEST_F(JudgeTest, a_fronts_own_certificate_before_a_backend_is_not_its_clients) {
  Origin nobody = verified_origin();
  nobody.session.presented = false;
  SettledExchange exchange = through_front(nobody);
  exchange.provenance.own_tls = verified_origin("front");
  EXPECT_EQ(reason(exchange), Reason::kNoClientCertificate);
}

TEST_F(JudgeTest, remote_peers_follow_the_configured_proxies) {
  config.backends.resize(1);
  config.backends[0].name = "shop";
  config.backends[0].proxies = std::vector<Cidr>{*parse_cidr("192.0.2.0/24")};
  EXPECT_EQ(reason(from_remote("192.0.2.7")), Reason::kPeerNotMonitored);
  EXPECT_EQ(reason(from_remote("198.51.100.7")), Reason::kDirectConnection);
  config.backends[0].proxies->clear();
  EXPECT_EQ(reason(from_remote("192.0.2.7")), Reason::kDirectConnection);
}

TEST_F(JudgeTest, what_a_configured_proxy_of_another_host_brings_to_a_local_front_is_not_accused) {
  config.backends.resize(1);
  config.backends[0].name = "shop";
  config.backends[0].proxies = std::vector<Cidr>{*parse_cidr("203.0.113.0/24"), *parse_cidr("127.0.0.1")};
  EXPECT_EQ(reason(through_front(plaintext_origin())), Reason::kPeerNotMonitored);
  Origin origin = verified_origin();
  origin.session.presented = false;
  EXPECT_EQ(reason(through_front(origin)), Reason::kPeerNotMonitored);
  EXPECT_EQ(reason(through_front(verified_origin())), Reason::kVerifiedClientCertificate);
  origin = plaintext_origin();
  origin.source = tcp("127.0.0.1", 40000);
  EXPECT_EQ(reason(through_front(origin)), Reason::kPlaintextIngress) << "this host's own clients are no remote peers";
}

TEST_F(JudgeTest, without_a_list_a_remote_peer_is_accused_only_where_a_local_front_is_known) {
  Judge one(config, addresses);
  EXPECT_EQ(one.judge(from_remote("192.0.2.7")).reason, Reason::kPeerNotMonitored);
  one.judge(through_front(verified_origin()));
  EXPECT_EQ(one.judge(from_remote("192.0.2.7")).reason, Reason::kDirectConnection);
}

TEST_F(JudgeTest, an_address_of_this_host_is_no_remote_peer) {
  addresses.local = {*parse_ip("192.0.2.1")};
  config.backends.resize(1);
  config.backends[0].name = "shop";
  config.backends[0].proxies.emplace();
  SettledExchange exchange = from_remote("192.0.2.1");
  EXPECT_EQ(verdict_of(reason(exchange)), Verdict::kUnknown);
  exchange.provenance.backend_connection_predates = true;
  EXPECT_EQ(reason(exchange), Reason::kPredatesAgent);
}

TEST_F(JudgeTest, an_intermediarys_certificate_identifies_no_client) {
  config.backends.resize(1);
  config.backends[0].name = "shop";
  config.backends[0].intermediaries = {"spiffe://example.org/alice"};
  EXPECT_EQ(reason(through_front(verified_origin("alice"))), Reason::kPeerNotMonitored);
  EXPECT_EQ(reason(through_front(verified_origin("bob"))), Reason::kVerifiedClientCertificate);
}

TEST_F(JudgeTest, another_protocol_and_an_unseen_request_are_said) {
  SettledExchange exchange = through_front(verified_origin());
  exchange.request.head.state = HeadState::kUnsupported;
  EXPECT_EQ(reason(exchange), Reason::kUnsupportedBackendProtocol);
  exchange.request_seen = false;
  EXPECT_EQ(reason(exchange), Reason::kUnseenRequest);
}

}  // namespace
}  // namespace mtlswatch
