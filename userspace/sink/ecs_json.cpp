// SPDX-License-Identifier: Apache-2.0
#include "userspace/sink/ecs_json.h"

#include "userspace/sink/ecs_events.h"
#include "userspace/sink/timestamp.h"

namespace mtlswatch {
namespace {

void write_words(JsonWriter& json, const char* key, std::span<const char* const> words) {
  const auto list = json.array(key);
  for (const char* word : words) json.item(word);
}

void write_event(JsonWriter& json, const SinkContext& context, const EventEnvelope& envelope) {
  const auto event = json.object("event");
  json.text("kind", envelope.kind);
  write_words(json, "category", envelope.categories);
  write_words(json, "type", envelope.types);
  json.text("action", envelope.action);
  json.text("outcome", envelope.outcome);
  json.text("reason", envelope.reason);
  json.text("dataset", envelope.dataset);
  json.text("module", "mtlswatch");
  json.text("id", envelope.id);
  if (envelope.severity != 0) json.number("severity", envelope.severity);
  if (context.sequence != 0) json.number("sequence", context.sequence);
  if (envelope.start_ns != 0) json.text("start", utc(context, envelope.start_ns));
  if (envelope.end_ns != 0) json.text("end", utc(context, envelope.end_ns));
  const bool measured = envelope.start_ns != 0 && envelope.end_ns >= envelope.start_ns;
  if (measured) json.number("duration", envelope.end_ns - envelope.start_ns);
}

void write_agent_and_host(JsonWriter& json, const SinkContext& context) {
  {
    const auto agent = json.object("agent");
    json.text("type", "mtlswatch");
    json.text("version", context.agent_version);
    json.text("id", context.agent_id);
    json.text("name", context.host_name);
  }
  const auto host = json.object("host");
  json.text("name", context.host_name);
  json.text("hostname", context.host_name);
  json.text("id", context.host_id);
  {
    const auto boot = json.object("boot");
    json.text("id", context.boot_id);
  }
  const auto system = json.object("os");
  json.text("type", "linux");
  json.text("kernel", context.kernel_release);
}

}  // namespace

std::string utc(const SinkContext& context, std::uint64_t boottime_ns) {
  return utc_microseconds(
      static_cast<std::int64_t>(boottime_ns + static_cast<std::uint64_t>(std::int64_t{context.utc_minus_boottime_ns})));
}

void write_envelope(JsonWriter& json, const SinkContext& context, const EventEnvelope& envelope) {
  json.text("@timestamp", utc(context, envelope.time_ns));
  json.text("message", envelope.message);
  write_event(json, context, envelope);
  {
    const auto ecs = json.object("ecs");
    json.text("version", "9.4.0");
  }
  json.repeat(Fragment::kAgentAndHost, context.agent_id, [&] { write_agent_and_host(json, context); });
}

void append_ecs_json(fmt::memory_buffer& buffer, const Report& report, const SinkContext& context, JsonFragments* fragments) {
  JsonWriter json(buffer, fragments);
  const auto root = json.root();
  if (const auto* handshake = std::get_if<HandshakeReport>(&report)) write_handshake(json, context, *handshake);
  if (const auto* request = std::get_if<RequestReport>(&report)) write_request(json, context, *request);
  if (const auto* agent = std::get_if<AgentReport>(&report)) write_agent(json, context, *agent);
  if (const auto* alert = std::get_if<AlertReport>(&report)) write_alert(json, context, *alert);
}

std::string ecs_json(const Report& report, const SinkContext& context) {
  fmt::memory_buffer buffer;
  append_ecs_json(buffer, report, context);
  return fmt::to_string(buffer);
}

}  // namespace mtlswatch
