// SPDX-License-Identifier: Apache-2.0
#include "userspace/policy/rules_requests.h"

#include <openssl/x509.h>

#include <algorithm>

namespace mtlswatch {
namespace {

std::string of_backend(const RequestReport& report) { return report.backend.empty() ? "a backend" : report.backend; }

bool has_violation(const RequestReport& report, const char* what) {
  return std::find(report.violations.begin(), report.violations.end(), what) != report.violations.end();
}

const char* phrase(Reason reason) {
  switch (reason) {
    case Reason::kNoClientCertificate:
      return "without a client certificate";
    case Reason::kClientCertificateNotVerified:
      return "with a client certificate that did not verify";
    case Reason::kResumedUnderOtherName:
      return "on a TLS session that was made for another server name";
    case Reason::kPlaintextIngress:
      return "through a front that took it without TLS";
    case Reason::kDirectConnection:
      return "past every front";
    default:
      return "whose clients may all be without a verified certificate";
  }
}

RuleId rule_of(Reason reason) {
  if (reason == Reason::kDirectConnection) return RuleId::kDirectConnection;
  return reason == Reason::kPlaintextIngress ? RuleId::kPlaintextListener : RuleId::kBypass;
}

void see_bypass(const RequestReport& report, std::vector<Sighting>& seen) {
  const bool may_be_bypass = report.verdict == Verdict::kUnknown && report.worst_case == Verdict::kBypass;
  const bool is_spoofed = report.reason == Reason::kIdentityHeaderSpoofed;
  if (!may_be_bypass && (report.verdict != Verdict::kBypass || is_spoofed)) return;
  Sighting& sighting = seen.emplace_back(sighting_of(rule_of(report.reason), report));
  sighting.alert.message = "A request reached " + of_backend(report) + " " + phrase(report.reason);
  const std::string subject = subject_text(report);
  if (!subject.empty()) sighting.alert.message += ", from " + subject;
}

/// A false claim is told also where the request is a bypass for another reason: the application may have believed it.
void see_spoofing(const RequestReport& report, std::vector<Sighting>& seen) {
  const auto lie = std::find_if(report.claims.begin(), report.claims.end(),
                                [](const Claim& claim) { return claim.result == "contradicts"; });
  if (lie == report.claims.end()) return;
  Sighting& sighting = seen.emplace_back(sighting_of(RuleId::kSpoofedHeader, report));
  const char* how = report.certificate ? " claims another identity than the certificate's at "
                                       : " claims an identity without any certificate at ";
  sighting.alert.message = lie->header + how + of_backend(report);
  const std::string subject = subject_text(report);
  if (!subject.empty()) sighting.alert.message += ", from " + subject;
}

void see_policy(const RequestReport& report, std::vector<Sighting>& seen) {
  if (!report.certificate) return;
  const std::string& holder = report.certificate->subject.text;
  for (const char* what : {"unexpected_issuer", "unexpected_subject"}) {
    if (!has_violation(report, what)) continue;
    Sighting& sighting = seen.emplace_back(sighting_of(RuleId::kUnexpectedClient, report));
    sighting.key = report.certificate->sha256;
    sighting.alert.reason = what;
    const bool is_issuer = what == std::string("unexpected_issuer");
    sighting.alert.message = of_backend(report) + " answered a client that policy does not allow there: " +
                             (is_issuer ? "issuer " + report.certificate->issuer.text : "subject " + holder);
  }
  if (!has_violation(report, "certificate_expired")) return;
  Sighting& sighting = seen.emplace_back(sighting_of(RuleId::kCertificateExpiry, report));
  sighting.key = report.certificate->sha256;
  sighting.alert.reason = "expired";
  sighting.alert.severity = Severity::kHigh;
  sighting.alert.message = "The certificate of " + holder + " has expired and its connection is still used";
}

void see_client_ca(const RequestReport& report, std::vector<Sighting>& seen) {
  if (!report.client_ca || report.client_ca->disagreement.empty() || !report.certificate) return;
  const Certificate& certificate = *report.certificate;
  const bool is_let_in = report.client_ca->verify_code != X509_V_OK;
  const int code = is_let_in ? *report.client_ca->verify_code : *report.origin->verify_code;
  Sighting& sighting = seen.emplace_back(sighting_of(RuleId::kClientCaDisagreement, report));
  sighting.key = certificate.sha256;
  sighting.alert.reason = report.client_ca->disagreement;
  if (!is_let_in) sighting.alert.severity = Severity::kMedium;
  sighting.alert.cause = std::string(is_let_in ? "client_ca" : "the proxy") + ": " + X509_verify_cert_error_string(code);
  sighting.alert.message = "The certificate of " + certificate.subject.text + ", issued by " + certificate.issuer.text + ", is verified by " +
                           (is_let_in ? "the proxy, but not by client_ca of " : "client_ca, but not by the proxy of ") + of_backend(report);
}

}  // namespace

std::string address_key(const Endpoint& source) {
  if (source.is_unix()) return source.path;
  if (source.ip.is_v4) return source.ip.text();
  IpAddress network = source.ip;  // one host owns a whole /64
  std::fill(network.bytes.begin() + 8, network.bytes.end(), 0);
  return network.text() + "/64";
}

std::string subject_key(const RequestReport& report) {
  if (report.peer_process) return report.peer_process->executable + " " + std::to_string(report.peer_process->uid);
  return report.source ? address_key(*report.source) : "";
}

std::string subject_text(const RequestReport& report) {
  if (report.peer_process) return report.peer_process->name + "[" + std::to_string(report.peer_process->pid) + "]";
  if (!report.source) return {};
  return report.source->is_unix() ? report.source->path : report.source->ip.text();
}

Sighting sighting_of(RuleId rule, const RequestReport& report) {
  Sighting sighting;
  sighting.rule = rule;
  sighting.key = subject_key(report);
  sighting.evidence = report.event_id;
  sighting.alert.time_ns = report.time_ns;
  sighting.alert.reason = text(report.reason);
  sighting.alert.backend = report.backend;
  sighting.alert.source = report.source;
  sighting.alert.destination = report.destination;
  sighting.alert.process = report.peer_process;
  if (report.certificate) sighting.alert.certificate = *report.certificate;
  return sighting;
}

Sighting sighting_of(RuleId rule, const HandshakeReport& report) {
  Sighting sighting;
  sighting.rule = rule;
  sighting.evidence = report.event_id;
  sighting.alert.time_ns = report.time_ns;
  sighting.alert.reason = report.reason;
  sighting.alert.process = report.process;
  if (!report.session.chain.empty()) sighting.alert.certificate = report.session.chain.front();
  if (!report.bound) return sighting;
  sighting.key = address_key(report.source);
  sighting.alert.source = report.source;
  sighting.alert.destination = report.destination;
  return sighting;
}

void see_request(const RequestReport& report, std::vector<Sighting>& seen) {
  see_bypass(report, seen);
  see_spoofing(report, seen);
  see_policy(report, seen);
  see_client_ca(report, seen);
}

}  // namespace mtlswatch
