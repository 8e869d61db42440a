// SPDX-License-Identifier: Apache-2.0
#include "userspace/model/verdict.h"

#include <array>

namespace mtlswatch {
namespace {

struct ReasonRow {
  Reason reason;
  const char* text;
  Verdict verdict;
};

constexpr std::array kReasons = {
    ReasonRow{Reason::kVerifiedClientCertificate, "verified_client_certificate", Verdict::kAuthenticated},
    ReasonRow{Reason::kNoClientCertificate, "no_client_certificate", Verdict::kBypass},
    ReasonRow{Reason::kClientCertificateNotVerified, "client_certificate_not_verified", Verdict::kBypass},
    ReasonRow{Reason::kPlaintextIngress, "plaintext_ingress", Verdict::kBypass},
    ReasonRow{Reason::kDirectConnection, "direct_connection", Verdict::kBypass},
    ReasonRow{Reason::kResumedUnderOtherName, "resumed_under_other_name", Verdict::kBypass},
    ReasonRow{Reason::kIdentityHeaderSpoofed, "identity_header_spoofed", Verdict::kBypass},
    ReasonRow{Reason::kPredatesAgent, "predates_agent", Verdict::kUnknown},
    ReasonRow{Reason::kEventLoss, "event_loss", Verdict::kUnknown},
    ReasonRow{Reason::kAmbiguous, "ambiguous", Verdict::kUnknown},
    ReasonRow{Reason::kProxyOriginated, "proxy_originated", Verdict::kUnknown},
    ReasonRow{Reason::kUnsupportedTlsLibrary, "unsupported_tls_library", Verdict::kUnknown},
    ReasonRow{Reason::kUnsupportedBackendProtocol, "unsupported_backend_protocol", Verdict::kUnknown},
    ReasonRow{Reason::kPeerNotMonitored, "peer_not_monitored", Verdict::kUnknown},
    ReasonRow{Reason::kFrontNotTrusted, "front_not_trusted", Verdict::kUnknown},
    ReasonRow{Reason::kUnboundSession, "unbound_session", Verdict::kUnknown},
    ReasonRow{Reason::kUnseenRequest, "unseen_request", Verdict::kUnknown},
    ReasonRow{Reason::kEarlyData, "early_data", Verdict::kUnknown},
};

constexpr bool rows_in_order() {
  for (std::size_t i = 0; i < kReasons.size(); ++i) {
    if (static_cast<std::size_t>(kReasons[i].reason) != i) return false;
  }
  return true;
}
static_assert(rows_in_order(), "kReasons is indexed by Reason");

const ReasonRow& row(Reason reason) { return kReasons[static_cast<std::size_t>(reason)]; }

}  // namespace

const char* text(Verdict verdict) {
  switch (verdict) {
    case Verdict::kAuthenticated: return "authenticated";
    case Verdict::kBypass: return "bypass";
    case Verdict::kUnknown: return "unknown";
    case Verdict::kExempt: return "exempt";
  }
  return "unknown";
}

const char* text(Confidence confidence) {
  switch (confidence) {
    case Confidence::kExact: return "exact";
    case Confidence::kOneOf: return "one_of";
    case Confidence::kNone: return "none";
  }
  return "none";
}

const char* text(Severity severity) {
  switch (severity) {
    case Severity::kLow: return "low";
    case Severity::kMedium: return "medium";
    case Severity::kHigh: return "high";
    case Severity::kCritical: return "critical";
  }
  return "medium";
}

const char* text(Reason reason) { return row(reason).text; }
Verdict verdict_of(Reason reason) { return row(reason).verdict; }

std::string reason_text(const RequestReport& report) { return report.exemption ? report.exemption->name : text(report.reason); }

std::vector<Reason> all_reasons() {
  std::vector<Reason> reasons;
  for (const ReasonRow& each : kReasons) reasons.push_back(each.reason);
  return reasons;
}

}  // namespace mtlswatch
