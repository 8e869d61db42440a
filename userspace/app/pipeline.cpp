// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/pipeline.h"

#include <fmt/format.h>

#include <algorithm>

#include "userspace/base/event_id.h"
#include "userspace/policy/access.h"
#include "userspace/policy/claims.h"

namespace mtlswatch {
namespace {

constexpr std::uint64_t kLossReportNs = 1'000'000'000;

constexpr std::int64_t kSecondNs = 1'000'000'000;

/// The same requests on every run: the id decides.
bool is_sampled(const std::string& event_id, std::uint32_t one_in) {
  std::uint64_t digits = 0;
  for (const char digit : event_id.substr(event_id.size() - 8)) digits = digits * 16 + static_cast<std::uint64_t>(digit <= '9' ? digit - '0' : digit - 'a' + 10);
  return digits % one_in == 0;
}

/// Whether the outputs get it. What violates policy, and what is exempt from it, always goes out.
bool is_written(const Config& config, const RequestReport& report) {
  if (report.verdict != Verdict::kAuthenticated || !report.violations.empty()) return true;
  for (const BackendConfig& backend : config.backends) {
    if (backend.name != report.backend || backend.requests == RequestsWritten::kAll) continue;
    return backend.requests == RequestsWritten::kSampled && is_sampled(report.event_id, backend.sample);
  }
  return true;
}

}  // namespace

DecoderConfig decoder_config(const Config& config) {
  DecoderConfig decoder;
  decoder.identity_headers = default_identity_headers();
  decoder.identity_headers.insert(decoder.identity_headers.end(), config.identity_headers.begin(), config.identity_headers.end());
  decoder.connection_limit = config.limits.connections;
  decoder.keep_certificates = std::any_of(config.backends.begin(), config.backends.end(),
                                          [](const BackendConfig& backend) { return !backend.client_ca.empty(); });
  return decoder;
}

Pipeline::Pipeline(const Config& config, HostAddresses addresses, UtcClock utc_minus_boottime_ns, OnReport on_report)
    : on_report_(std::move(on_report)),
      decoder_(decoder_config(config)),
      correlator_(config.limits),
      config_(config),
      utc_minus_boottime_ns_(utc_minus_boottime_ns),
      judge_(config, std::move(addresses)),
      client_cas_(config),
      rules_(config.rules, utc_minus_boottime_ns) {}

void Pipeline::reconfigure(const Config& config) {
  config_ = config;
  decoder_.keep_certificates(decoder_config(config).keep_certificates);
  judge_.reconfigure(config);
  client_cas_.reconfigure(config);
  rules_.reconfigure(config.rules);
}

void Pipeline::record(std::span<const std::uint8_t> bytes) {
  events_.clear();
  decoder_.decode(bytes, events_);
  for (Event& event : events_) handle(std::move(event));
}

void Pipeline::process(const ProcessFacts& facts) { handle(ProcessKnown{facts}); }

void Pipeline::tick(std::uint64_t now_ns) {
  handle(Tick{now_ns});
  decoder_.print_heads(correlator_.compares_heads());
  rules_.tick(now_ns, alerts_);
  hand_on_alerts();
  if (lost_ == 0 || now_ns < loss_reported_ns_ + kLossReportNs) return;
  AgentReport report;
  report.time_ns = now_ns;
  report.event_id = event_id(now_ns, lost_, loss_from_ns_);
  report.action = "agent-loss";
  report.records_lost = lost_;
  report.message = fmt::format("{} kernel records were lost; requests under way then are unknown", lost_);
  hand_on(std::move(report));
  loss_reported_ns_ = now_ns;
  lost_ = 0;
}

void Pipeline::finish(std::uint64_t now_ns) {
  loss_reported_ns_ = 0;
  tick(now_ns + ExchangeTracker::kWithoutResponseNs + 1);
}

void Pipeline::handle(Event&& event) {
  if (const auto* loss = std::get_if<RecordsLost>(&event)) report_loss(*loss);
  if (const auto* known = std::get_if<ProcessKnown>(&event)) rules_.on_process(known->facts);
  const auto* change = std::get_if<ProcessChange>(&event);
  if (change && change->kind == ProcessChangeKind::kExit) rules_.on_exit(change->pid);
  findings_.handshakes.clear();
  findings_.exchanges.clear();
  correlator_.on(std::move(event), findings_);
  for (HandshakeReport& handshake : findings_.handshakes) hand_on(std::move(handshake));
  for (SettledExchange& exchange : findings_.exchanges) report(std::move(exchange));
}

void Pipeline::report(SettledExchange exchange) {
  std::string id = event_id(exchange.request.time_ns, exchange.request.id, exchange.request.position);
  RequestReport report = judge_.judge(std::move(exchange));
  report.event_id = std::move(id);
  apply_policy(config_, (static_cast<std::int64_t>(report.time_ns) + utc_minus_boottime_ns_) / kSecondNs, report);
  client_cas_.check(utc_minus_boottime_ns_, report);
  report.is_written = is_written(config_, report);
  hand_on(std::move(report));
}

template <typename T>
void Pipeline::hand_on(T report) {
  rules_.see(report, alerts_);
  Report outward(std::move(report));
  on_report_(outward);
  hand_on_alerts();
}

void Pipeline::hand_on_alerts() {
  for (AlertReport& alert : alerts_) {
    Report outward(std::move(alert));
    on_report_(outward);
  }
  alerts_.clear();
}

void Pipeline::report_loss(const RecordsLost& loss) {
  if (lost_ == 0) loss_from_ns_ = loss.from_ns;
  lost_ += loss.count;
}

}  // namespace mtlswatch
