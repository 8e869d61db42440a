// SPDX-License-Identifier: Apache-2.0
// Reports as the pipeline gives them to the rules, on a clock of their own.
#pragma once

#include <gmock/gmock.h>

#include "userspace/policy/rules_engine.h"
#include "tests/unit/builders/change.h"

namespace mtlswatch {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::int64_t kUtc = 1'795'425'302;  // at boot, in seconds

class RulesTest : public testing::Test {
 protected:
  /// A verified client's request through nginx.
  RequestReport request(const char* client = "198.51.100.23") {
    RequestReport report;
    report.time_ns = now_ns;
    report.event_id = "rq-" + std::to_string(++ids);
    report.backend = "shop";
    report.verdict = Verdict::kAuthenticated;
    report.reason = Reason::kVerifiedClientCertificate;
    report.attribution = {"request+response", Confidence::kExact, 1};
    report.status = 200;
    report.source = Endpoint{*parse_ip(client), 40000, {}};
    report.destination = Endpoint{*parse_ip("192.0.2.1"), 443, {}};
    report.certificate = std::make_shared<Certificate>(leaf());
    Hop& hop = report.hops.emplace_back();
    change(hop.process) = nginx();
    return report;
  }

  RequestReport bypass(Reason reason, const char* client = "198.51.100.23") {
    RequestReport report = request(client);
    report.verdict = verdict_of(reason);
    report.reason = reason;
    report.certificate.reset();
    if (reason == Reason::kDirectConnection) report.hops.clear();
    return report;
  }

  HandshakeReport handshake(const char* client = "198.51.100.23") {
    HandshakeReport report;
    report.time_ns = now_ns;
    report.event_id = "hs-" + std::to_string(++ids);
    report.outcome = "success";
    report.reason = "verified_client_certificate";
    report.session.state = SessionState::kEstablished;
    report.session.presented = true;
    report.session.verify_code = 0;
    report.session.chain = {leaf()};
    change(report.session.server_hello).version = 0x0304;
    report.source = Endpoint{*parse_ip(client), 40000, {}};
    report.destination = Endpoint{*parse_ip("192.0.2.1"), 443, {}};
    report.bound = true;
    return report;
  }

  HandshakeReport failure(const char* reason = "alert_unknown_ca", const char* client = "198.51.100.23") {
    HandshakeReport report = handshake(client);
    report.outcome = "failure";
    report.reason = reason;
    report.session.chain.clear();
    report.session.presented.reset();
    report.session.verify_code.reset();
    return report;
  }

  Certificate leaf() const {
    Certificate certificate;
    certificate.parsed = true;
    certificate.sha256 = "AA";
    certificate.subject.text = "CN=alice";
    certificate.issuer.text = "CN=Example CA";
    certificate.not_before_s = kUtc - 1;
    certificate.not_after_s = kUtc + 365 * 86'400;
    return certificate;
  }

  ProcessFacts nginx(std::uint32_t pid = 10) const {
    ProcessFacts facts;
    facts.pid = pid;
    facts.name = "nginx";
    facts.executable = "/usr/sbin/nginx";
    facts.front = true;
    facts.tls_coverage = "attached";
    return facts;
  }

  /// The alerts of what is shown.
  template <typename T>
  std::vector<AlertReport> see(const T& report) {
    std::vector<AlertReport> alerts;
    engine.see(report, alerts);
    all.insert(all.end(), alerts.begin(), alerts.end());
    return alerts;
  }

  /// Lets seconds pass, a tick each.
  std::vector<AlertReport> pass(std::uint64_t seconds) {
    std::vector<AlertReport> alerts;
    for (std::uint64_t second = 0; second < seconds; ++second) engine.tick(now_ns += kSecond, alerts);
    all.insert(all.end(), alerts.begin(), alerts.end());
    return alerts;
  }

  std::size_t count(const char* rule_id, const char* state = "first") const {
    return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [&](const AlertReport& alert) {
      return alert.rule_id == rule_id && alert.state == state;
    }));
  }

  std::uint64_t now_ns = 1000 * kSecond;
  int ids = 0;
  RuleEngine engine{{}, UtcClock(kUtc* static_cast<std::int64_t>(kSecond))};
  std::vector<AlertReport> all;
};

}  // namespace mtlswatch
