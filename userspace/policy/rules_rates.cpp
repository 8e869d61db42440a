// SPDX-License-Identifier: Apache-2.0
#include "userspace/policy/rules_rates.h"

#include "userspace/policy/rules_handshakes.h"
#include "userspace/policy/rules_requests.h"

namespace mtlswatch {
namespace {

constexpr std::uint64_t kBlindShare = 5;  ///< one in so many requests

bool is_blind(Reason reason) {
  return reason == Reason::kEventLoss || reason == Reason::kUnsupportedTlsLibrary ||
         reason == Reason::kUnboundSession || reason == Reason::kUnseenRequest;
}

/// "2xx 12, 4xx 3"
std::string mix_text(const std::array<std::uint64_t, 6>& statuses) {
  std::string text;
  for (std::size_t i = 1; i < statuses.size(); ++i) {
    if (statuses[i] != 0) text += (text.empty() ? "" : ", ") + std::to_string(i) + "xx " + std::to_string(statuses[i]);
  }
  return text.empty() ? "none" : text;
}

/// What the statuses beside the failures tell.
const char* cause(const std::array<std::uint64_t, 6>& statuses) {
  const std::uint64_t answered = statuses[1] + statuses[2] + statuses[3] + statuses[4] + statuses[5];
  if (answered == 0) return "no client comes through";
  if (2 * statuses[5] >= answered) return "the service fails as well";
  return 2 * statuses[4] >= answered ? "those who come through are refused as well"
                                     : "some clients are refused, the service works";
}

}  // namespace

FailureRateRule::Counts* FailureRateRule::of(const Endpoint& listener) {
  const std::string key = listener.text();
  if (!listeners_.contains(key) && listeners_.size() >= kListeners) return nullptr;
  Counts& counts = listeners_[key];
  counts.listener = listener;
  return &counts;
}

void FailureRateRule::see(const HandshakeReport& report) {
  Counts* counts = report.bound ? of(report.destination) : nullptr;
  if (counts == nullptr) return;
  ++counts->handshakes;
  if (!is_failed(report)) return;
  ++counts->failed;
  counts->evidence = report.event_id;
}

void FailureRateRule::see(const RequestReport& report) {
  Counts* counts = report.destination ? of(*report.destination) : nullptr;
  const bool known = report.status >= 100 && report.status < 600;
  if (counts != nullptr) ++counts->statuses[known ? static_cast<std::size_t>(report.status / 100) : 0];
}

void FailureRateRule::tick(std::uint64_t now_ns, std::vector<Sighting>& seen) {
  const RuleSettings& settings = rules_[RuleId::kFailureRate];
  if (clock_.ended(now_ns, settings.window_ns) == 0) return;
  for (const auto& [name, counts] : listeners_) {
    if (counts.handshakes < settings.threshold || 2 * counts.failed < counts.handshakes) continue;
    Sighting& sighting = seen.emplace_back();
    sighting.rule = RuleId::kFailureRate;
    sighting.key = name;
    sighting.evidence = counts.evidence;
    sighting.alert.time_ns = now_ns;
    sighting.alert.reason = "handshakes_failed";
    sighting.alert.destination = counts.listener;
    sighting.alert.cause = cause(counts.statuses);
    sighting.alert.message =
        std::to_string(counts.failed) + " of " + std::to_string(counts.handshakes) + " handshakes at " + name +
        " failed; HTTP statuses beside them: " + mix_text(counts.statuses) + ": " + sighting.alert.cause;
  }
  listeners_.clear();
}

void BlindnessRule::see(const RequestReport& report) {
  if (!backends_.contains(report.backend) && backends_.size() >= kBackends) return;
  note_blind_fronts(report);
  Counts& counts = backends_[report.backend];
  ++counts.requests;
  if (report.verdict != Verdict::kUnknown || !is_blind(report.reason)) return;
  ++counts.blind;
  counts.evidence = report.event_id;
}

void BlindnessRule::see(const AgentReport& report, std::vector<Sighting>& seen) const {
  if (report.records_lost == 0) return;
  Sighting& sighting = seen.emplace_back();
  sighting.rule = RuleId::kSensorBlind;
  sighting.evidence = report.event_id;
  sighting.alert.time_ns = report.time_ns;
  sighting.alert.reason = "records_lost";
  sighting.alert.message = report.message;
}

/// Any server of root's is a front by discovery; only one that requests come through matters.
void BlindnessRule::note_blind_fronts(const RequestReport& report) {
  for (const Hop& hop : report.hops) {
    const bool is_blind = hop.process->front && hop.process->tls_coverage == "blind";
    if (is_blind && blind_fronts_.size() < kFronts) blind_fronts_[hop.process->executable] = {hop.process, report.event_id};
  }
}

void BlindnessRule::tick(std::uint64_t now_ns, std::vector<Sighting>& seen) {
  const RuleSettings& settings = rules_[RuleId::kSensorBlind];
  if (clock_.ended(now_ns, settings.window_ns) == 0) return;
  for (const auto& [executable, front] : blind_fronts_) {
    const ProcessFacts& facts = *front.process;
    Sighting& sighting = seen.emplace_back();
    sighting.rule = RuleId::kSensorBlind;
    sighting.key = executable;
    sighting.evidence = front.evidence;
    sighting.alert.time_ns = now_ns;
    sighting.alert.reason = "front_not_seen";
    sighting.alert.process = front.process;
    sighting.alert.message = "The TLS handshakes of " + facts.name + "[" + std::to_string(facts.pid) +
                             "], which forwards requests, cannot be seen: " + facts.tls_coverage_reason;
  }
  for (const auto& [name, counts] : backends_) {
    if (counts.blind < settings.threshold || kBlindShare * counts.blind < counts.requests) continue;
    Sighting& sighting = seen.emplace_back();
    sighting.rule = RuleId::kSensorBlind;
    sighting.evidence = counts.evidence;
    sighting.alert.time_ns = now_ns;
    sighting.alert.backend = name;
    sighting.alert.reason = "requests_not_judged";
    sighting.alert.message = std::to_string(counts.blind) + " of " + std::to_string(counts.requests) + " requests to " +
                             name + " could not be judged for want of evidence";
  }
  backends_.clear();
  blind_fronts_.clear();
}

}  // namespace mtlswatch
