// SPDX-License-Identifier: Apache-2.0
// mtlswatch.handshake: one event a handshake.
#include "userspace/sink/ecs_events.h"
#include "userspace/sink/ecs_fields.h"

namespace mtlswatch {
namespace {

constexpr const char* kCategories[] = {"network", "authentication"};
constexpr const char* kUnfinished[] = {"connection", "start"};
constexpr const char* kAccepted[] = {"connection", "start", "allowed"};
constexpr const char* kRefused[] = {"connection", "start", "denied"};

/// What became of the client's certificate, for a human. Presented and verified stay separate: OpenSSL's verify result
/// is X509_V_OK when nothing was sent.
std::string certificate_phrase(const Session& session) {
  if (!session.presented) return "client certificate unknown";
  if (!*session.presented) return "no client certificate";
  const Certificate* certificate = leaf(session);
  const std::string holder = certificate != nullptr ? holder_text(*certificate) : "";
  const std::string subject = holder.empty() ? "" : ": " + holder;
  if (!session.verify_code) return "client certificate presented, verification unknown" + subject;
  if (*session.verify_code == 0) return "client certificate verified" + subject;
  return "client certificate not verified (" + verify_text(*session.verify_code) + ")" + subject;
}

std::string handshake_message(const HandshakeReport& report) {
  std::string message = "TLS handshake ";
  if (report.outcome == "success") {
    message += "established, " + certificate_phrase(report.session);
  } else {
    message += report.outcome == "failure" ? "failed" : "not finished";
    if (!report.reason.empty()) message += ": " + report.reason;
  }
  const std::string process = process_text(*report.process);
  if (!process.empty()) message += " at " + process;
  if (report.bound && !report.source.is_unix()) message += " from " + report.source.ip.text();
  return message;
}

EventEnvelope handshake_envelope(const HandshakeReport& report) {
  EventEnvelope envelope;
  envelope.time_ns = report.time_ns;
  envelope.message = handshake_message(report);
  envelope.categories = kCategories;
  envelope.types = kUnfinished;
  if (report.outcome == "success") envelope.types = kAccepted;
  if (report.outcome == "failure") envelope.types = kRefused;
  envelope.action = "tls-handshake";
  envelope.dataset = "mtlswatch.handshake";
  envelope.outcome = report.outcome;
  envelope.reason = report.reason;
  envelope.id = report.event_id;
  envelope.start_ns = report.session.started_ns;
  envelope.end_ns = report.time_ns;
  return envelope;
}

}  // namespace

void write_handshake(JsonWriter& json, const SinkContext& context, const HandshakeReport& report) {
  const Session& session = report.session;
  const Certificate* certificate = leaf(session);
  const Endpoint* source = report.bound ? &report.source : nullptr;
  const Endpoint* destination = report.bound ? &report.destination : nullptr;
  write_envelope(json, context, handshake_envelope(report));
  write_network(json, destination, "tls");
  write_endpoint(json, "source", source);
  write_endpoint(json, "destination", destination, server_name(&session));
  write_process(json, *report.process);
  write_workload(json, context, *report.process);
  write_tls(json, &session, certificate);
  write_related(json, {source, destination}, certificate);
  const auto own = json.object("mtlswatch");
  write_client_certificate(json, &session, certificate);
  write_client_hello(json, session);
}

}  // namespace mtlswatch
