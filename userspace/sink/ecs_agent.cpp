// SPDX-License-Identifier: Apache-2.0
// mtlswatch.agent: life and honesty of the sensor.
#include "userspace/sink/ecs_events.h"
#include "userspace/sink/ecs_fields.h"

namespace mtlswatch {
namespace {

constexpr const char* kCategories[] = {"process"};
constexpr const char* kStart[] = {"start"};
constexpr const char* kEnd[] = {"end"};
constexpr const char* kInfo[] = {"info"};

EventEnvelope agent_envelope(const AgentReport& report) {
  EventEnvelope envelope;
  envelope.time_ns = report.time_ns;
  envelope.message = report.message;
  if (report.action == "agent-coverage") envelope.kind = "state";
  if (report.action == "identity-summary") envelope.kind = "metric";
  envelope.categories = kCategories;
  envelope.types = kInfo;
  if (report.action == "agent-ready") envelope.types = kStart;
  if (report.action == "agent-stopping") envelope.types = kEnd;
  envelope.action = report.action;
  envelope.dataset = "mtlswatch.agent";
  envelope.id = report.event_id;
  return envelope;
}

void write_watched(JsonWriter& json, const ProcessFacts& process) {
  const auto object = json.item_object();
  write_process_identity(json, process);
  json.text("command_line", process.command_line);
  write_process_user(json, process);
  json.text("cgroup", process.cgroup);
  json.text("backend", process.backend);
  if (process.front) json.flag("front", true);
  json.text("front_reason", process.front_reason);
  json.text("tls_coverage", process.tls_coverage);
  json.text("tls_coverage_reason", process.tls_coverage_reason);
  std::vector<std::string> listeners;
  for (const auto& listener : process.listeners) listeners.push_back(listener.text());
  json.texts("listeners", listeners);
}

}  // namespace

void write_agent(JsonWriter& json, const SinkContext& context, const AgentReport& report) {
  write_envelope(json, context, agent_envelope(report));
  const auto own = json.object("mtlswatch");
  if (report.action == "identity-summary") return write_identities(json, context, report);
  const auto agent = json.object("agent");
  json.number("records_lost", report.records_lost);
  if (report.events_lost != 0) json.number("events_lost", report.events_lost);
  const auto processes = json.array("processes");
  for (const auto& process : report.processes) write_watched(json, process);
}

}  // namespace mtlswatch
