// SPDX-License-Identifier: Apache-2.0
#include "userspace/policy/rules_drop.h"

#include <algorithm>

#include "userspace/policy/rules_handshakes.h"
#include "userspace/policy/rules_requests.h"

namespace mtlswatch {
namespace {

constexpr std::uint64_t kWindowsToLearn = 3;
constexpr std::size_t kFrontsOfABackend = 16;
constexpr double kFallen = 0.2;       ///< of what is usual
constexpr double kWeight = 0.3;       ///< of the newest window
constexpr double kForgetting = 0.98;  ///< a window, while it has dropped: what lasts for hours becomes usual

void learn(double& usual, std::uint64_t now, bool is_first) {
  const auto value = static_cast<double>(now);
  usual = is_first ? value : (1 - kWeight) * usual + kWeight * value;
}

}  // namespace

DropRule::Backend* DropRule::of_listener(const Endpoint& listener) {
  const auto name = backend_of_listener_.find(listener.text());
  const auto entry = name == backend_of_listener_.end() ? backends_.end() : backends_.find(name->second);
  return entry == backends_.end() ? nullptr : &entry->second;
}

void DropRule::see(const HandshakeReport& report) {
  Backend* backend = report.bound ? of_listener(report.destination) : nullptr;
  if (backend == nullptr) return;
  if (is_verified(report)) ++backend->now.verified;
  if (!is_failed(report)) return;
  ++backend->now.failed;
  if (is_expired(report)) ++backend->now.expired;
  backend->evidence = report.event_id;
}

void DropRule::see(const RequestReport& report) {
  if (!backends_.contains(report.backend) && backends_.size() >= kBackends) return;
  Backend& backend = backends_[report.backend];
  if (report.verdict == Verdict::kExempt) return;
  if (report.verdict == Verdict::kAuthenticated) {
    ++backend.now.authenticated;
    if (!report.hops.empty() && backend.fronts.size() < kFrontsOfABackend)
      backend.fronts.insert(report.hops.front().process->executable);
    if (report.destination && backend_of_listener_.size() < kListeners)
      backend_of_listener_[report.destination->text()] = report.backend;
    return;
  }
  backend.evidence = report.event_id;
  switch (report.reason) {
    case Reason::kDirectConnection:
    case Reason::kPeerNotMonitored:
    case Reason::kFrontNotTrusted:
      ++backend.now.direct;
      break;
    case Reason::kPlaintextIngress:
      ++backend.now.plaintext;
      break;
    case Reason::kNoClientCertificate:
    case Reason::kClientCertificateNotVerified:
      ++backend.now.without_certificate;
      break;
    default:
      ++backend.now.other;
  }
}

void DropRule::on_process(const ProcessFacts& facts) {
  if (facts.front && live_fronts_.size() < kFronts) live_fronts_[facts.pid] = facts.executable;
}

void DropRule::tick(std::uint64_t now_ns, std::vector<Sighting>& seen) {
  const std::uint64_t ended = clock_.ended(now_ns, rules_[RuleId::kHandshakeDrop].window_ns);
  for (std::uint64_t window = 0; window < ended; ++window) {
    for (auto& [name, backend] : backends_) close_window(name, backend, now_ns, seen);
  }
}

void DropRule::close_window(const std::string& name, Backend& backend, std::uint64_t now_ns,
                            std::vector<Sighting>& seen) const {
  if (has_dropped(backend)) {
    Sighting& sighting = seen.emplace_back();
    sighting.rule = RuleId::kHandshakeDrop;
    sighting.evidence = backend.evidence;
    sighting.alert.time_ns = now_ns;
    sighting.alert.backend = name;
    sighting.alert.cause = cause(backend);
    sighting.alert.reason = "verified_handshakes_dropped";
    sighting.alert.message = "Authenticated requests to " + name + " fell from about " +
                             std::to_string(static_cast<std::uint64_t>(backend.usual_authenticated)) + " a window to " +
                             std::to_string(backend.now.authenticated) +
                             " while clients kept coming; likely cause: " + cause(backend);
    backend.usual_authenticated *= kForgetting;
    backend.usual_verified *= kForgetting;
  } else {
    learn(backend.usual_authenticated, backend.now.authenticated, backend.windows == 0);
    learn(backend.usual_verified, backend.now.verified, backend.windows == 0);
    ++backend.windows;
  }
  backend.now = {};
}

bool DropRule::has_dropped(const Backend& backend) const {
  const double threshold = rules_[RuleId::kHandshakeDrop].threshold;
  if (backend.windows < kWindowsToLearn || backend.usual_authenticated < threshold) return false;
  const auto authenticated = static_cast<double>(backend.now.authenticated);
  const auto verified = static_cast<double>(backend.now.verified);
  const bool handshakes_fell = backend.usual_verified < 1 || verified < kFallen * backend.usual_verified;
  const bool requests_fell = authenticated < kFallen * backend.usual_authenticated;
  const double enough = std::max(threshold / 2, kFallen * backend.usual_authenticated);
  return handshakes_fell && requests_fell && static_cast<double>(backend.now.unserved()) >= enough;
}

const char* DropRule::cause(const Backend& backend) const {
  const Counts& counts = backend.now;
  const auto is_most = [&](std::uint64_t part) { return 2 * part >= counts.unserved(); };
  if (is_most(counts.expired)) return "certificates expired";
  if (fronts_are_gone(backend)) return "proxy gone";
  if (is_most(counts.direct)) return "traffic moved past the proxy";
  if (is_most(counts.plaintext)) return "the proxy takes requests without TLS";
  if (is_most(counts.without_certificate)) return "the proxy forwards clients without a verified certificate";
  if (is_most(counts.failed)) return "handshakes fail";
  return "unknown";
}

bool DropRule::fronts_are_gone(const Backend& backend) const {
  if (backend.fronts.empty()) return false;
  return std::none_of(live_fronts_.begin(), live_fronts_.end(),
                      [&](const auto& entry) { return backend.fronts.contains(entry.second); });
}

}  // namespace mtlswatch
