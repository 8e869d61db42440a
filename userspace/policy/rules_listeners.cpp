// SPDX-License-Identifier: Apache-2.0
#include "userspace/policy/rules_listeners.h"

#include "userspace/policy/rules_requests.h"

namespace mtlswatch {
namespace {

/// The server ended the handshake over the client's certificate. An alert that the client sent is no refusal.
bool is_refusal(const HandshakeReport& report) {
  return report.outcome == "failure" &&
         (report.reason == "peer_did_not_return_a_certificate" || report.reason == "certificate_verify_failed");
}

bool came_in_unverified(Reason reason) {
  return reason == Reason::kNoClientCertificate || reason == Reason::kClientCertificateNotVerified ||
         reason == Reason::kPlaintextIngress;
}

}  // namespace

ListenerRule::History* ListenerRule::of(const Endpoint& listener) {
  const std::string key = listener.text();
  if (!listeners_.contains(key) && listeners_.size() >= kListeners) return nullptr;
  return &listeners_[key];
}

void ListenerRule::see(const HandshakeReport& report) {
  if (!report.bound || !is_refusal(report)) return;
  if (History* history = of(report.destination)) ++history->refused;
}

void ListenerRule::see(const RequestReport& report, std::vector<Sighting>& seen) {
  if (!report.destination || report.attribution.confidence != Confidence::kExact) return;
  History* history = of(*report.destination);
  if (history == nullptr) return;
  if (report.verdict == Verdict::kAuthenticated) ++history->authenticated;
  if (report.verdict != Verdict::kBypass || !came_in_unverified(report.reason)) return;
  const bool was_strict = history->refused > 0 || history->authenticated >= rules_[RuleId::kListenerWeakened].threshold;
  if (!was_strict) {
    history->authenticated = 0;
    return;
  }
  Sighting& sighting = seen.emplace_back(sighting_of(RuleId::kListenerWeakened, report));
  sighting.key = report.destination->text();
  sighting.alert.cause =
      history->refused > 0 ? "it refused such clients before" : "it forwarded only verified clients before";
  sighting.alert.message =
      report.destination->text() + " now forwards clients without a verified certificate; " + sighting.alert.cause;
  *history = {};
}

}  // namespace mtlswatch
