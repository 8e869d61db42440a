// SPDX-License-Identifier: Apache-2.0
// Reports as correlation and policy would make them, and a reader of what the sink made of them.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "userspace/sink/ecs_json.h"
#include "tests/unit/builders/change.h"

namespace mtlswatch {

constexpr std::uint64_t kSecond = 1'000'000'000;

inline SinkContext test_context() {
  SinkContext context;
  context.agent_version = "0.1.0";
  context.agent_id = "agent-1";
  context.host_name = "edge-1";
  context.host_id = "2b1b6f0c";
  context.boot_id = "88a1f0a2";
  context.kernel_release = "6.1.0";
  context.utc_minus_boottime_ns.set(1'795'425'302'000'000'000);  // 2026-11-23T09:15:02Z at boot
  context.sequence = 7;
  return context;
}

inline Endpoint endpoint(const std::string& text) { return *parse_endpoint(text); }

inline ProcessFacts process(std::uint32_t pid, const std::string& name) {
  ProcessFacts facts;
  facts.pid = pid;
  facts.parent_pid = 1;
  facts.start_time_ticks = 100;
  facts.name = name;
  facts.executable = "/usr/bin/" + name;
  facts.command_line = name + " --serve";
  facts.cgroup = "/system.slice/" + name + ".service";
  facts.uid = 33;
  return facts;
}

inline Certificate alice() {
  Certificate certificate;
  certificate.parsed = true;
  certificate.length_bytes = 900;
  certificate.sha256 = "0687F666";
  certificate.subject = {"CN=alice,OU=Shop,O=Example,C=US", {"alice"}, {"Example"}, {"Shop"}, {"US"}};
  certificate.issuer = {"CN=Example CA", {"Example CA"}, {}, {}, {}};
  certificate.serial_number = "55FBB9C7";
  certificate.not_before_s = 0;
  certificate.not_after_s = 1'795'425'302;
  certificate.alternative_names = {"alice.example.org"};
  certificate.signature_algorithm = "ECDSA-SHA256";
  certificate.public_key_algorithm = "ECDSA";
  certificate.public_key_curve = "P-256";
  certificate.public_key_bits = 256;
  certificate.version = 3;
  return certificate;
}

inline Certificate unparsed() {
  Certificate certificate;
  certificate.length_bytes = 20'000;
  certificate.parse_error = "too large";
  certificate.sha256 = "AB12";
  return certificate;
}

/// TLS 1.3, established, alice's certificate verified.
inline Session verified_session() {
  Session session;
  session.state = SessionState::kEstablished;
  session.started_ns = 1 * kSecond;
  session.finished_ns = 1 * kSecond + 3'825'000;
  session.resumed = false;
  session.presented = true;
  session.verify_code = 0;
  session.tls_accepted = true;
  session.chain = {alice()};
  change(session.client_hello).server_name = "api.example.org";
  ServerHello& hello = change(session.server_hello);
  hello.version = 0x0304;
  hello.cipher_suite = 0x1302;
  hello.group = 0x001d;
  return session;
}

inline HandshakeReport handshake_report() {
  HandshakeReport report;
  report.time_ns = 1 * kSecond + 3'825'000;
  report.event_id = "hs-1";
  report.session = verified_session();
  report.outcome = "success";
  report.reason = "established";
  report.source = endpoint("198.51.100.23:51544");
  report.destination = endpoint("203.0.113.10:443");
  report.bound = true;
  change(report.process) = process(4121, "nginx");
  return report;
}

/// GET /orders through nginx with alice's certificate.
inline RequestReport request_report() {
  RequestReport report;
  report.time_ns = 2 * kSecond + 497'215'999;
  report.response_ns = report.time_ns + 21'450'000;
  report.event_id = "rq-1";
  report.verdict = Verdict::kAuthenticated;
  report.reason = Reason::kVerifiedClientCertificate;
  report.attribution = {"request+response", Confidence::kExact, 1};
  report.head.state = HeadState::kComplete;
  report.head.method = "GET";
  report.head.path = "/orders";
  report.head.query = "token=secret";
  report.head.version = "1.1";
  report.head.host = "api.example.org";
  report.head.request_id = "7b7c0f0c";
  report.head.trace_id = "4bf92f3577b34da6a3ce929d0e0e4736";
  report.head.span_id = "00f067aa0ba902b7";
  report.status = 200;
  report.backend = "shop";
  report.server = endpoint("127.0.0.1:8000");
  report.source = endpoint("198.51.100.23:51544");
  report.destination = endpoint("[2001:db8::1]:443");
  change(report.process) = process(7310, "gunicorn");
  Hop hop;
  change(hop.process) = process(4121, "nginx");
  hop.source = report.source;
  hop.destination = report.destination;
  hop.tls = true;
  hop.session = verified_session();
  hop.evidence = "response witness";
  report.hops = {hop};
  report.claims = {{"X-SSL-Client-S-DN", "subject", "CN=alice", "matches"}};
  report.certificate = std::make_shared<Certificate>(alice());
  report.origin = verified_session();
  return report;
}

/// POST /x straight from curl.
inline RequestReport direct_report() {
  RequestReport report = request_report();
  report.head.method = "POST";
  report.head.path = "/x";
  report.verdict = Verdict::kBypass;
  report.reason = Reason::kDirectConnection;
  report.attribution = {"peer", Confidence::kExact, 0};
  report.hops.clear();
  report.claims.clear();
  report.certificate.reset();
  report.origin.reset();
  report.source = endpoint("127.0.0.1:40112");
  report.destination = report.server;
  change(report.peer_process) = process(123, "curl");
  return report;
}

inline AgentReport agent_report() {
  AgentReport report;
  report.time_ns = 3 * kSecond;
  report.event_id = "ag-1";
  report.action = "agent-coverage";
  report.message = "watching 1 process";
  report.records_lost = 0;
  report.processes = {process(4121, "nginx")};
  report.processes[0].front = true;
  report.processes[0].tls_coverage = "attached";
  report.processes[0].listeners = {endpoint("0.0.0.0:443")};
  return report;
}

/// The first alert of an incident: bypass at shop.
inline AlertReport alert_report() {
  AlertReport report;
  report.time_ns = 5 * kSecond;
  report.event_id = "al-1";
  report.rule_id = "MTLS-1001";
  report.rule_name = "mtls-bypass";
  report.description = "A request reached the backend without a verified client certificate";
  report.severity = Severity::kHigh;
  report.state = "first";
  report.fingerprint = "f1";
  report.message = "A request reached shop without a client certificate, from 198.51.100.23";
  report.reason = "no_client_certificate";
  report.backend = "shop";
  report.source = endpoint("198.51.100.23:51544");
  report.first_seen_ns = 2 * kSecond;
  report.last_seen_ns = 4 * kSecond;
  report.count = 2;
  report.evidence = {"rq-1", "rq-9"};
  return report;
}

inline nlohmann::json written(const Report& report, const SinkContext& context = test_context()) {
  return nlohmann::json::parse(ecs_json(report, context));
}

/// The value at "/a/b", or null where it is absent.
inline nlohmann::json at(const nlohmann::json& event, const char* pointer) {
  const nlohmann::json::json_pointer path(pointer);
  return event.contains(path) ? event.at(path) : nlohmann::json();
}
inline bool has(const nlohmann::json& event, const char* pointer) {
  return event.contains(nlohmann::json::json_pointer(pointer));
}

}  // namespace mtlswatch
