// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/pipeline.h"

#include <fmt/format.h>

#include "userspace/base/event_id.h"
#include "userspace/policy/claims.h"

namespace mtlswatch {
namespace {

constexpr std::uint64_t kLossReportNs = 1'000'000'000;

std::unordered_set<std::string> violations_only(const Config& config) {
  std::unordered_set<std::string> names;
  for (const BackendConfig& backend : config.backends) {
    if (backend.requests == RequestsWritten::kViolations) names.insert(backend.name);
  }
  return names;
}

}  // namespace

DecoderConfig decoder_config(const Config& config) {
  DecoderConfig decoder;
  decoder.identity_headers = default_identity_headers();
  decoder.identity_headers.insert(decoder.identity_headers.end(), config.identity_headers.begin(), config.identity_headers.end());
  decoder.connection_limit = config.limits.connections;
  return decoder;
}

Pipeline::Pipeline(const Config& config, HostAddresses addresses, OnReport on_report)
    : on_report_(std::move(on_report)),
      decoder_(decoder_config(config)),
      correlator_(config.limits),
      judge_(config, std::move(addresses)),
      violations_only_(violations_only(config)) {}

void Pipeline::record(std::span<const std::uint8_t> bytes) {
  events_.clear();
  decoder_.decode(bytes, events_);
  for (const Event& event : events_) handle(event);
}

void Pipeline::process(const ProcessFacts& facts) { handle(ProcessKnown{facts}); }

void Pipeline::tick(std::uint64_t now_ns) {
  handle(Tick{now_ns});
  if (lost_ == 0 || now_ns < loss_reported_ns_ + kLossReportNs) return;
  AgentReport report;
  report.time_ns = now_ns;
  report.event_id = event_id(now_ns, lost_, loss_from_ns_);
  report.action = "agent-loss";
  report.records_lost = lost_;
  report.message = fmt::format("{} kernel records were lost; requests under way then are unknown", lost_);
  emit(std::move(report));
  loss_reported_ns_ = now_ns;
  lost_ = 0;
}

void Pipeline::finish(std::uint64_t now_ns) {
  loss_reported_ns_ = 0;
  tick(now_ns + ExchangeTracker::kWithoutResponseNs + 1);
}

void Pipeline::handle(const Event& event) {
  if (const auto* loss = std::get_if<RecordsLost>(&event)) report_loss(*loss);
  findings_.handshakes.clear();
  findings_.exchanges.clear();
  correlator_.on(event, findings_);
  for (HandshakeReport& handshake : findings_.handshakes) emit(std::move(handshake));
  for (const SettledExchange& exchange : findings_.exchanges) {
    RequestReport report = judge_.judge(exchange);
    report.event_id = event_id(report.time_ns, exchange.request.id, exchange.request.position);
    const bool is_violation = report.verdict != Verdict::kAuthenticated && report.verdict != Verdict::kExempt;
    report.is_written = is_violation || !violations_only_.contains(report.backend);
    emit(std::move(report));
  }
}

void Pipeline::emit(Report report) { on_report_(report); }

void Pipeline::report_loss(const RecordsLost& loss) {
  if (lost_ == 0) loss_from_ns_ = loss.from_ns;
  lost_ += loss.count;
}

}  // namespace mtlswatch
