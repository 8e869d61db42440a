// SPDX-License-Identifier: Apache-2.0
// mtlswatch.alert: one event a beginning, summary or end of an incident.
#include "userspace/sink/ecs_events.h"
#include "userspace/sink/ecs_fields.h"

namespace mtlswatch {
namespace {

constexpr const char* kCategories[] = {"intrusion_detection", "network"};
constexpr const char* kTypes[] = {"info"};

/// Elastic's steps: low 21, medium 47, high 73, critical 99.
int severity_number(Severity severity) {
  switch (severity) {
    case Severity::kLow:
      return 21;
    case Severity::kMedium:
      return 47;
    case Severity::kHigh:
      return 73;
    case Severity::kCritical:
      return 99;
  }
  return 47;
}

EventEnvelope alert_envelope(const AlertReport& report) {
  EventEnvelope envelope;
  envelope.time_ns = report.time_ns;
  envelope.message = report.message;
  envelope.kind = "alert";
  envelope.categories = kCategories;
  envelope.types = kTypes;
  envelope.action = report.rule_name;
  envelope.dataset = "mtlswatch.alert";
  envelope.reason = report.reason;
  envelope.id = report.event_id;
  envelope.start_ns = report.first_seen_ns;
  envelope.end_ns = report.state == "resolved" ? report.last_seen_ns : 0;
  envelope.severity = severity_number(report.severity);
  return envelope;
}

void write_incident(JsonWriter& json, const SinkContext& context, const AlertReport& report) {
  const auto own = json.object("mtlswatch");
  {
    const auto alert = json.object("alert");
    json.text("state", report.state);
    json.text("severity", text(report.severity));
    json.text("fingerprint", report.fingerprint);
    json.text("cause", report.cause);
    json.number("count", report.count);
    json.number("suppressed", report.suppressed);
    json.text("first_seen", utc(context, report.first_seen_ns));
    json.text("last_seen", utc(context, report.last_seen_ns));
    json.texts("evidence", report.evidence);
  }
  if (!report.certificate) return;
  write_client_certificate(json, nullptr, &*report.certificate);
}

}  // namespace

void write_alert(JsonWriter& json, const SinkContext& context, const AlertReport& report) {
  const Endpoint* source = report.source ? &*report.source : nullptr;
  const Endpoint* destination = report.destination ? &*report.destination : nullptr;
  const Certificate* certificate = report.certificate ? &*report.certificate : nullptr;
  write_envelope(json, context, alert_envelope(report));
  {
    const auto rule = json.object("rule");
    json.text("id", report.rule_id);
    json.text("name", report.rule_name);
    json.text("description", report.description);
  }
  write_endpoint(json, "source", source);
  write_endpoint(json, "destination", destination);
  if (report.process) write_process(json, *report.process);
  if (report.process) write_workload(json, context, *report.process);
  {
    const auto service = json.object("service");
    json.text("name", report.backend);
  }
  write_tls(json, nullptr, certificate);
  write_related(json, {source, destination}, certificate);
  write_incident(json, context, report);
}

}  // namespace mtlswatch
