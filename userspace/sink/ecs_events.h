// SPDX-License-Identifier: Apache-2.0
// The pieces of an event: the envelope that all have, and one writer a kind. Used within this folder only.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "userspace/model/verdict.h"
#include "userspace/sink/ecs_json.h"
#include "userspace/sink/json_writer.h"

namespace mtlswatch {

/// event.*, with the pairs of category and type that ECS allows.
struct EventEnvelope {
  std::uint64_t time_ns = 0;  ///< @timestamp
  std::string message;
  const char* kind = "event";
  std::span<const char* const> categories;  ///< of constants: the envelope owns none
  std::span<const char* const> types;
  std::string action;
  const char* dataset = "";
  std::string outcome;
  std::string reason;
  std::string id;
  std::uint64_t start_ns = 0;  ///< 0: unknown
  std::uint64_t end_ns = 0;
  int severity = 0;  ///< 0: none
};

/// A kernel time as ECS writes times.
std::string utc(const SinkContext& context, std::uint64_t boottime_ns);

/// @timestamp, message, event, ecs, agent and host.
void write_envelope(JsonWriter& json, const SinkContext& context, const EventEnvelope& envelope);

void write_handshake(JsonWriter& json, const SinkContext& context, const HandshakeReport& report);
void write_request(JsonWriter& json, const SinkContext& context, const RequestReport& report);
void write_alert(JsonWriter& json, const SinkContext& context, const AlertReport& report);
void write_agent(JsonWriter& json, const SinkContext& context, const AgentReport& report);
/// mtlswatch.identities: whose certificates were seen, the most frequent first.
void write_identities(JsonWriter& json, const SinkContext& context, const AgentReport& report);

}  // namespace mtlswatch
