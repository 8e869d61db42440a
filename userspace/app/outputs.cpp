// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/outputs.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "userspace/base/event_id.h"
#include "userspace/sink/json_lines_sink.h"
#include "userspace/sink/peer_sink.h"

namespace mtlswatch {
namespace {

constexpr std::uint64_t kBetweenLossesNs = 10'000'000'000;

Result<std::unique_ptr<Sink>> open_sink(const OutputConfig& output, const SinkContext& context) {
  if (output.type != "json") return PeerSink::open(output, context);
  auto sink = JsonLinesSink::open(output, context);
  if (!sink) return sink.error();
  return std::unique_ptr<Sink>(std::make_unique<JsonLinesSink>(std::move(*sink)));
}

}  // namespace

Result<Outputs> Outputs::open(const Config& config, const SinkContext& context) {
  std::vector<OutputConfig> wanted = config.outputs;
  if (wanted.empty()) wanted.emplace_back();
  Outputs outputs;
  outputs.sequence_ = context.sequence;
  for (const OutputConfig& output : wanted) {
    auto sink = open_sink(output, context);
    if (!sink) return sink.error();
    outputs.outputs_.push_back({fmt::format("{}_{}", output.type, outputs.outputs_.size() + 1), std::move(*sink)});
  }
  return outputs;
}

void Outputs::write(const Report& report) {
  if (is_written(report)) ++sequence_;
  for (Output& output : outputs_) {
    if (const Status status = output.sink->write(report); !status) spdlog::debug("{}", status.error().message);
  }
}

Status Outputs::flush() {
  for (Output& output : outputs_) {
    if (const Status status = output.sink->flush(); !status) return status;
  }
  return Done{};
}

void Outputs::finish(int timeout_ms) {
  for (Output& output : outputs_) output.sink->begin_finish(timeout_ms);
  for (Output& output : outputs_) {
    if (const Status status = output.sink->finish(timeout_ms); !status)
      spdlog::warn("output {}: {}", output.name, status.error().message);
  }
}

void Outputs::reopen() {
  for (Output& output : outputs_) {
    if (const Status status = output.sink->reopen(); !status)
      spdlog::error("output {}: {}", output.name, status.error().message);
  }
}

std::optional<AgentReport> Outputs::loss(std::uint64_t now_ns, bool is_last) {
  if (!is_last && now_ns < told_ns_ + kBetweenLossesNs) return std::nullopt;
  AgentReport report;
  for (Output& output : outputs_) {
    const OutputStatus status = output.sink->status();
    const std::uint64_t lost = status.lost - output.lost_told;
    if (lost == 0) continue;
    output.lost_told = status.lost;
    report.events_lost += lost;
    report.message += fmt::format("{}output {} lost {} events: {}", report.message.empty() ? "" : "; ", output.name,
                                  lost, status.last_error);
  }
  if (report.events_lost == 0) return std::nullopt;
  told_ns_ = now_ns;
  report.time_ns = now_ns;
  report.event_id = event_id(now_ns, report.events_lost, outputs_.size());
  report.action = "agent-loss";
  return report;
}

std::vector<OutputStatus> Outputs::status() const {
  std::vector<OutputStatus> all;
  for (const Output& output : outputs_) {
    all.push_back(output.sink->status());
    all.back().name = output.name;
  }
  return all;
}

}  // namespace mtlswatch
