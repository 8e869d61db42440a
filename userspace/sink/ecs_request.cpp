// SPDX-License-Identifier: Apache-2.0
// mtlswatch.request: one event an exchange at a backend.
#include "userspace/sink/ecs_events.h"
#include "userspace/sink/ecs_fields.h"

namespace mtlswatch {
namespace {

constexpr const char* kCategories[] = {"web", "network"};
constexpr const char* kTypes[] = {"access", "protocol"};  // not "allowed": that would be the backend's word

/// "GET /orders"; never the query.
std::string request_line(const RequestHead& head) {
  constexpr std::size_t kShown = 256;
  if (head.method.empty()) return "request";
  return head.method + " " + (head.path.size() > kShown ? head.path.substr(0, kShown) + "..." : head.path);
}

std::string bypass_origin(const RequestReport& report) {
  if (report.peer_process) return " by " + process_text(*report.peer_process);
  return report.source ? " from " + report.source->text() : "";
}

std::string request_message(const RequestReport& report) {
  const std::string line = request_line(report.head);
  const std::string reason = text(report.reason);
  switch (report.verdict) {
    case Verdict::kAuthenticated:
      if (report.certificate) return line + " authenticated: " + holder_text(*report.certificate);
      if (report.attribution.candidates == 1) return line + " authenticated: nobody but one client may have asked";
      return line + " authenticated: one of " + std::to_string(report.attribution.candidates) + " clients";
    case Verdict::kBypass:
      return line + " bypassed mTLS: " + reason + bypass_origin(report);
    case Verdict::kExempt:
      return line + " exempt: " + reason_text(report) + ", else " + reason;
    case Verdict::kUnknown:
      break;
  }
  return line + " unknown: " + reason;
}

/// The proxy's and the backend's answer, as access logs in ECS tell it: a status below 400 is a success.
const char* outcome(int status) {
  if (status == 0) return "unknown";
  return status < 400 ? "success" : "failure";
}

EventEnvelope request_envelope(const RequestReport& report) {
  EventEnvelope envelope;
  envelope.time_ns = report.time_ns;
  envelope.message = request_message(report);
  envelope.categories = kCategories;
  envelope.types = kTypes;
  envelope.action = "backend-request";
  envelope.dataset = "mtlswatch.request";
  envelope.outcome = outcome(report.status);
  envelope.reason = reason_text(report);
  envelope.id = report.event_id;
  envelope.start_ns = report.time_ns;
  envelope.end_ns = report.response_ns;
  return envelope;
}

void write_http(JsonWriter& json, const RequestReport& report) {
  const auto http = json.object("http");
  json.text("version", report.head.version);
  {
    const auto request = json.object("request");
    json.text("method", report.head.method);
    json.text("id", report.head.request_id.empty() ? report.head.correlation_id : report.head.request_id);
  }
  const auto response = json.object("response");
  if (report.status != 0) json.number("status_code", report.status);
}

void write_url(JsonWriter& json, const RequestHead& head, bool write_query) {
  const auto url = json.object("url");
  json.text("path", head.path);
  json.text("domain", head.host);
  if (write_query) json.text("query", head.query);
}

void write_id(JsonWriter& json, std::string_view key, const std::string& id) {
  const auto object = json.object(key);
  json.text("id", id);
}

void write_hop(JsonWriter& json, const SinkContext& context, const Hop& hop) {
  const auto object = json.item_object();
  {
    const auto process = json.object("process");
    write_process_identity(json, *hop.process);
  }
  write_workload(json, context, *hop.process);
  write_endpoint(json, "source", hop.source ? &*hop.source : nullptr);
  write_endpoint(json, "destination", hop.destination ? &*hop.destination : nullptr);
  if (hop.tls) write_hop_tls(json, hop.session);
  json.text("evidence", hop.evidence);
}

void write_claim(JsonWriter& json, const Claim& claim) {
  const auto object = json.item_object();
  json.text("header", claim.header);
  json.text("kind", claim.kind);
  json.text("value", claim.value);
  json.text("result", claim.result);
}

void write_peer(JsonWriter& json, const SinkContext& context, const ProcessFacts& peer_process) {
  const auto peer = json.object("peer");
  write_workload(json, context, peer_process);
  const auto process = json.object("process");
  write_process_identity(json, peer_process);
  write_process_user(json, peer_process);
  json.text("cgroup", peer_process.cgroup);
}

const char* head_text(HeadState state) {
  switch (state) {
    case HeadState::kComplete:
      return "complete";
    case HeadState::kCut:
      return "cut";
    case HeadState::kInvalid:
      return "invalid";
    case HeadState::kUnsupported:
      return "unsupported";
    case HeadState::kEncrypted:
      return "encrypted";
  }
  return "invalid";
}

void write_head(JsonWriter& json, const RequestReport& report) {
  const auto request = json.object("request");
  if (report.reason == Reason::kUnseenRequest) return;  // there was no head to judge
  json.text("head", head_text(report.head.state));
  const auto anomalies = json.array("anomalies");
  if (report.head.anomalies.content_length_with_transfer_encoding) json.item("content_length_with_transfer_encoding");
  if (report.head.anomalies.repeated_content_length) json.item("repeated_content_length");
  if (report.head.anomalies.obsolete_folding) json.item("obsolete_folding");
}

void write_attribution(JsonWriter& json, const Attribution& attribution) {
  const auto object = json.object("attribution");
  json.text("method", attribution.method);
  json.text("confidence", text(attribution.confidence));
  json.number("candidates", attribution.candidates);
}

void write_policy(JsonWriter& json, const RequestReport& report) {
  json.texts("violations", report.violations);
  if (!report.exemption) return;
  const auto object = json.object("exemption");
  json.text("name", report.exemption->name);
  json.text("owner", report.exemption->owner);
  json.text("reason", report.exemption->reason);
  json.text("expires", report.exemption->expires);
  json.text("instead_of", text(report.reason));
}

void write_client_ca(JsonWriter& json, const OwnVerification& own) {
  const auto object = json.object("client_ca");
  json.text("result", !own.verify_code ? "not_checked" : *own.verify_code == 0 ? "verified" : "not_verified");
  json.text("disagreement", own.disagreement);
  if (!own.verify_code) return;
  json.number("verify_code", *own.verify_code);
  json.text("verify_text", verify_text(*own.verify_code));
}

void write_own(JsonWriter& json, const SinkContext& context, const RequestReport& report, const Session* origin, const Certificate* certificate) {
  const auto own = json.object("mtlswatch");
  json.text("verdict", text(report.verdict));
  if (report.worst_case) json.text("worst_case", text(*report.worst_case));
  write_policy(json, report);
  write_attribution(json, report.attribution);
  {
    const auto hops = json.array_even_if_empty("hops");
    for (const auto& hop : report.hops) write_hop(json, context, hop);
  }
  {
    const auto claims = json.array_even_if_empty("claims");
    for (const auto& claim : report.claims) write_claim(json, claim);
  }
  if (report.peer_process) write_peer(json, context, *report.peer_process);
  const bool has_session = origin != nullptr && origin->state != SessionState::kNone;
  write_client_certificate(json, has_session ? origin : nullptr, certificate);
  if (report.client_ca) write_client_ca(json, *report.client_ca);
  write_head(json, report);
}

}  // namespace

void write_request(JsonWriter& json, const SinkContext& context, const RequestReport& report) {
  const Session* origin = report.origin ? &*report.origin : nullptr;
  const Certificate* certificate = report.certificate.get();
  const Endpoint* source = report.source ? &*report.source : nullptr;
  const Endpoint* destination = report.destination ? &*report.destination : nullptr;
  write_envelope(json, context, request_envelope(report));
  write_network(json, source != nullptr ? source : &report.server, "http");
  write_endpoint(json, "source", source);
  write_endpoint(json, "destination", destination, server_name(origin));
  write_endpoint(json, "server", &report.server);
  write_process(json, *report.process);
  write_workload(json, context, *report.process);
  {
    const auto service = json.object("service");
    json.text("name", report.backend);
  }
  write_http(json, report);
  write_url(json, report.head, context.write_query);
  write_id(json, "trace", report.head.trace_id);
  write_id(json, "span", report.head.span_id);
  write_tls(json, origin, certificate);
  write_related(json, {source, destination, &report.server}, certificate);
  write_own(json, context, report, origin, certificate);
}

}  // namespace mtlswatch
