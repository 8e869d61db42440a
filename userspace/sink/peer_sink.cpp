// SPDX-License-Identifier: Apache-2.0
#include "userspace/sink/peer_sink.h"

#include "userspace/sink/alertmanager.h"
#include "userspace/sink/syslog.h"
#include "userspace/sink/webhook.h"

namespace mtlswatch {
namespace {

/// RFC 5424 section 6.2.1: 2 critical, 3 error, 4 warning, 5 notice, 6 informational.
int syslog_severity(const Report& report) {
  if (const auto* alert = std::get_if<AlertReport>(&report)) {
    if (alert->severity == Severity::kCritical) return 2;
    return alert->severity == Severity::kHigh ? 3 : alert->severity == Severity::kMedium ? 4 : 6;
  }
  if (const auto* request = std::get_if<RequestReport>(&report)) {
    if (request->verdict == Verdict::kBypass) return 4;
    return request->verdict == Verdict::kUnknown ? 5 : 6;
  }
  return 6;
}

Message message_of(const Report& report, const SinkContext& context) {
  Message message;
  message.severity = syslog_severity(report);
  message.json = ecs_json(report, context);
  const auto fill = [&](const auto& item) {
    message.event_id = item.event_id;
    message.time = utc(context, item.time_ns);
  };
  std::visit(fill, report);
  message.dataset = "mtlswatch.agent";
  if (std::holds_alternative<RequestReport>(report)) message.dataset = "mtlswatch.request";
  if (std::holds_alternative<HandshakeReport>(report)) message.dataset = "mtlswatch.handshake";
  if (const auto* alert = std::get_if<AlertReport>(&report)) {
    message.dataset = "mtlswatch.alert";
    message.alert = *alert;
  }
  return message;
}

Result<std::unique_ptr<Delivery>> open_delivery(const OutputConfig& output, const SinkContext& context) {
  if (output.type == "webhook") return open_webhook(output);
  if (output.type == "alertmanager") return open_alertmanager(output, context);
  return open_syslog(output, context.host_name);
}

}  // namespace

PeerSink::PeerSink(const OutputConfig& output, const SinkContext& context, std::unique_ptr<Delivery> delivery,
                   CourierLimits limits)
    : filter_(output), context_(context), courier_(std::move(delivery), limits) {}

Result<std::unique_ptr<Sink>> PeerSink::open(const OutputConfig& output, const SinkContext& context) {
  auto delivery = open_delivery(output, context);
  if (!delivery) return delivery.error().in("output " + output.type);
  CourierLimits limits;
  limits.messages = output.queue;
  return std::unique_ptr<Sink>(std::make_unique<PeerSink>(output, context, std::move(*delivery), limits));
}

Status PeerSink::write(const Report& report) {
  if (!is_written(report)) return Done{};
  ++context_.sequence;
  if (!filter_.takes(report)) return Done{};
  if (courier_.has_room()) {
    courier_.offer(message_of(report, context_));
  } else {
    courier_.count_lost();
  }
  return Done{};
}

Status PeerSink::finish(int timeout_ms) {
  courier_.finish(std::chrono::milliseconds(timeout_ms));
  const OutputStatus status = courier_.status();
  if (status.lost == 0) return Done{};
  return Error{std::to_string(status.lost) + " events were lost: " + status.last_error};
}

}  // namespace mtlswatch
