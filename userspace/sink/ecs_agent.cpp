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

void write_watched(JsonWriter& json, const ProcessFacts& process, const std::vector<LibraryCoverage>& libraries) {
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
  json.text("stream_witness", process.stream_witness);
  std::vector<std::string> listeners;
  for (const auto& listener : process.listeners) listeners.push_back(listener.text());
  json.texts("listeners", listeners);
  std::vector<std::string> paths;
  for (const LibraryCoverage& library : libraries) {
    if (is_used_by(library, process.pid)) paths.push_back(library.path);
  }
  json.texts("tls_libraries", paths);
}

void write_probe(JsonWriter& json, const SinkContext& context, const ProbeCoverage& probe) {
  const auto object = json.item_object();
  json.text("symbol", probe.symbol);
  json.text("state", probe.missing.empty() ? "attached" : "missing");
  json.text("reason", probe.missing);
  if (!probe.placement.empty()) {
    json.text("placement", probe.placement);
    json.number("file_offset", probe.file_offset);
    json.text("instruction", probe.instruction);
    json.flag("emulated", probe.emulated);
  }
  if (!probe.missing.empty()) return;
  json.number("hits", probe.hits);
  if (probe.last_hit_ns != 0) json.text("last_hit", utc(context, probe.last_hit_ns));
}

void write_library(JsonWriter& json, const SinkContext& context, const LibraryCoverage& library) {
  const auto object = json.item_object();
  json.text("path", library.path);
  json.text("name", library.name);
  json.text("version", library.version);
  json.text("build_id", library.build_id);
  json.text("tls_coverage", library.state);
  json.text("cannot_see", library.cannot_see);
  json.text("cost", library.cost);
  if (library.state != "blind") json.text("liveness", library.seen ? "seen" : "not seen yet");
  const auto probes = json.array("probes");
  for (const ProbeCoverage& probe : library.probes) write_probe(json, context, probe);
}

}  // namespace

void write_agent(JsonWriter& json, const SinkContext& context, const AgentReport& report) {
  write_envelope(json, context, agent_envelope(report));
  const auto own = json.object("mtlswatch");
  if (report.action == "identity-summary") return write_identities(json, context, report);
  const auto agent = json.object("agent");
  json.number("records_lost", report.records_lost);
  if (report.events_lost != 0) json.number("events_lost", report.events_lost);
  {
    const auto processes = json.array("processes");
    for (const auto& process : report.processes) write_watched(json, process, report.libraries);
  }
  const auto libraries = json.array("libraries");
  for (const LibraryCoverage& library : report.libraries) write_library(json, context, library);
}

}  // namespace mtlswatch
