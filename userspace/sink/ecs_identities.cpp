// SPDX-License-Identifier: Apache-2.0
// identity-summary: the clients behind the handshakes and requests so far.
#include "userspace/sink/ecs_events.h"
#include "userspace/sink/timestamp.h"

namespace mtlswatch {
namespace {

void write_identity(JsonWriter& json, const SinkContext& context, const IdentitySeen& seen) {
  const auto object = json.item_object();
  json.text("common_name", seen.common_name);
  json.text("subject", seen.subject);
  json.text("issuer", seen.issuer);
  json.text("service", seen.service);
  json.number("requests", seen.requests);
  json.number("handshakes", seen.handshakes);
  json.number("handshakes_rejected", seen.handshakes_rejected);
  json.text("not_after", utc_seconds(seen.not_after_s));
  json.text("first_seen", utc(context, seen.first_seen_ns));
  json.text("last_seen", utc(context, seen.last_seen_ns));
}

}  // namespace

void write_identities(JsonWriter& json, const SinkContext& context, const AgentReport& report) {
  const auto identities = json.object("identities");
  json.number("distinct", report.identities_known);
  const auto top = json.array_even_if_empty("top");
  for (const IdentitySeen& seen : report.identities) write_identity(json, context, seen);
}

}  // namespace mtlswatch
