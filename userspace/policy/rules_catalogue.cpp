// SPDX-License-Identifier: Apache-2.0
#include "userspace/policy/rules_catalogue.h"

namespace mtlswatch {
namespace {

constexpr std::uint64_t kSecondNs = 1'000'000'000;
constexpr std::uint32_t kQuietS = 300;

constexpr std::array<RuleInfo, kRules> kCatalogue = {{
    {RuleId::kBypass, "MTLS-1001", "mtls-bypass", Severity::kHigh,
     "A request reached the backend without a verified client certificate"},
    {RuleId::kSpoofedHeader, "MTLS-1002", "identity-header-spoofed", Severity::kCritical,
     "An identity header says something else than the certificate of the handshake"},
    {RuleId::kDirectConnection, "MTLS-1003", "direct-connection", Severity::kHigh,
     "A request reached the backend past every front"},
    {RuleId::kPlaintextListener, "MTLS-1004", "plaintext-listener", Severity::kHigh,
     "A front took a request without TLS and forwarded it"},
    {RuleId::kCertificateExpiry, "MTLS-1005", "client-certificate-expiry", Severity::kLow,
     "A client certificate has expired, expires soon, or is not valid yet"},
    {RuleId::kUnexpectedClient, "MTLS-1006", "unexpected-client", Severity::kMedium,
     "A verified certificate has an issuer or a name that policy does not allow here"},
    {RuleId::kHandshakeDrop, "MTLS-1007", "verified-handshake-drop", Severity::kCritical,
     "Verified handshakes and authenticated requests fell away while clients kept coming", 10, 60},
    {RuleId::kSensorBlind, "MTLS-1008", "sensor-blind", Severity::kHigh,
     "The sensor lost records, or cannot see what it should", 20, 60},
    {RuleId::kWeakProtocol, "MTLS-1009", "weak-protocol", Severity::kMedium,
     "A front negotiated a TLS version older than 1.2"},
    {RuleId::kListenerWeakened, "MTLS-1010", "listener-weakened", Severity::kCritical,
     "A listener that used to refuse clients without a verified certificate now forwards them", 20},
    {RuleId::kFailureBurst, "MTLS-1011", "handshake-failure-burst", Severity::kMedium,
     "One source failed many handshakes in a short time", 10, 60},
    {RuleId::kFailureRate, "MTLS-1012", "handshake-failure-rate", Severity::kMedium,
     "At least half of a listener's handshakes fail", 20, 60},
    {RuleId::kClientCaDisagreement, "MTLS-1013", "client-ca-disagreement", Severity::kHigh,
     "The proxy and the authorities of client_ca disagree about a client certificate"},
}};

constexpr bool rows_in_order() {
  for (std::size_t i = 0; i < kRules; ++i) {
    if (static_cast<std::size_t>(kCatalogue[i].rule) != i) return false;
  }
  return true;
}
static_assert(rows_in_order(), "kCatalogue is indexed by RuleId");

void apply(const RuleConfig& from, RuleSettings& to) {
  to.enabled = from.enabled.value_or(to.enabled);
  to.threshold = from.threshold.value_or(to.threshold);
  to.days = from.days.value_or(to.days);
  if (from.window_s) to.window_ns = *from.window_s * kSecondNs;
  if (from.summary_after_s) to.summary_after_ns = *from.summary_after_s * kSecondNs;
  if (from.resolve_after_s) to.resolve_after_ns = *from.resolve_after_s * kSecondNs;
}

}  // namespace

std::span<const RuleInfo> rule_catalogue() { return kCatalogue; }
const RuleInfo& info(RuleId rule) { return kCatalogue[static_cast<std::size_t>(rule)]; }

RuleTable::RuleTable(const std::vector<RuleConfig>& configured) {
  for (const RuleInfo& row : kCatalogue) {
    RuleSettings& settings = settings_[static_cast<std::size_t>(row.rule)];
    settings = {true, row.threshold, row.window_s * kSecondNs, row.days, kQuietS * kSecondNs, kQuietS * kSecondNs};
    for (const RuleConfig& item : configured) {
      if (item.rule == "*" || item.rule == row.id || item.rule == row.name) apply(item, settings);
    }
  }
}

}  // namespace mtlswatch
