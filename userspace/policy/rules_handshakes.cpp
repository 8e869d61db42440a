// SPDX-License-Identifier: Apache-2.0
#include "userspace/policy/rules_handshakes.h"

#include "userspace/policy/rules_requests.h"

namespace mtlswatch {
namespace {

constexpr std::int64_t kSecondNs = 1'000'000'000;
constexpr std::int64_t kDayS = 86'400;
constexpr std::uint16_t kTls12 = 0x0303;
constexpr int kCertificateHasExpired = 10;  // X509_V_ERR_CERT_HAS_EXPIRED

std::string holder(const Certificate& certificate) {
  if (!certificate.subject.text.empty()) return certificate.subject.text;
  return certificate.alternative_names.empty() ? "a client" : certificate.alternative_names.front();
}

void see_weak_protocol(const HandshakeReport& report, std::vector<Sighting>& seen) {
  const auto& hello = report.session.server_hello;
  if (!hello || hello->version >= kTls12 || hello->version < 0x0300 || report.outcome != "success") return;
  Sighting& sighting = seen.emplace_back(sighting_of(RuleId::kWeakProtocol, report));
  const std::string version = tls_version_text(hello->version);
  sighting.alert.reason = "tls_" + version;
  sighting.alert.message =
      "A client negotiated TLS " + version + (report.bound ? " at " + report.destination.text() : "");
}

}  // namespace

bool is_verified(const HandshakeReport& report) {
  return report.outcome == "success" && report.session.presented == true && report.session.verify_code == 0;
}

bool is_failed(const HandshakeReport& report) {
  const bool did_not_verify =
      report.session.presented == true && report.session.verify_code && *report.session.verify_code != 0;
  return report.outcome == "failure" || did_not_verify;
}

bool is_expired(const HandshakeReport& report) {
  return report.session.verify_code == kCertificateHasExpired || report.reason == "alert_certificate_expired";
}

void HandshakeRules::see(const HandshakeReport& report, std::vector<Sighting>& seen) {
  see_expiry(report, seen);
  see_weak_protocol(report, seen);
  see_burst(report, seen);
}

/// Accepted with an expired certificate is worse than refused for it; both tell that somebody has to renew it.
void HandshakeRules::see_expiry(const HandshakeReport& report, std::vector<Sighting>& seen) const {
  if (report.session.chain.empty() || !report.session.chain.front().parsed) return;
  const Certificate& leaf = report.session.chain.front();
  const std::int64_t now_s = (static_cast<std::int64_t>(report.time_ns) + utc_minus_boottime_ns_) / kSecondNs;
  const bool is_future = leaf.not_before_s > now_s;
  const bool is_past = leaf.not_after_s <= now_s;
  const std::int64_t left_days = (leaf.not_after_s - now_s) / kDayS;
  if (!is_future && !is_past && leaf.not_after_s - now_s > rules_[RuleId::kCertificateExpiry].days * kDayS) return;
  if (!is_past && !is_verified(report)) return;
  Sighting& sighting = seen.emplace_back(sighting_of(RuleId::kCertificateExpiry, report));
  sighting.key = leaf.sha256;
  sighting.alert.reason = is_past ? "expired" : is_future ? "not_yet_valid" : "expires_soon";
  if (is_past || is_future) sighting.alert.severity = is_verified(report) ? Severity::kHigh : Severity::kMedium;
  sighting.alert.message =
      "The certificate of " + holder(leaf) +
      (is_past     ? " has expired"
       : is_future ? " is not valid yet"
                   : " expires in " + std::to_string(left_days) + (left_days == 1 ? " day" : " days"));
}

void HandshakeRules::see_burst(const HandshakeReport& report, std::vector<Sighting>& seen) {
  if (!report.bound || !is_failed(report)) return;
  const RuleSettings& settings = rules_[RuleId::kFailureBurst];
  const std::string source = address_key(report.source);
  if (!failures_.contains(source) && failures_.size() >= kSources) make_room(report.time_ns);
  Failures& failures = failures_[source];
  if (failures.count == 0 || report.time_ns >= failures.since_ns + settings.window_ns) failures = {report.time_ns, 0};
  if (++failures.count < settings.threshold) return;
  Sighting& sighting = seen.emplace_back(sighting_of(RuleId::kFailureBurst, report));
  sighting.alert.reason = "handshakes_failed";
  sighting.alert.cause = report.reason;
  sighting.alert.message = std::to_string(settings.threshold) + " or more handshakes of " + report.source.ip.text() +
                           " failed within " + std::to_string(settings.window_ns / kSecondNs) + " s, the last with " +
                           report.reason;
}

void HandshakeRules::make_room(std::uint64_t now_ns) {
  const std::uint64_t window_ns = rules_[RuleId::kFailureBurst].window_ns;
  std::erase_if(failures_, [&](const auto& entry) { return now_ns >= entry.second.since_ns + window_ns; });
  if (failures_.size() >= kSources) failures_.clear();
}

}  // namespace mtlswatch
