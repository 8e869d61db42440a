// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/status_json.h"

#include <nlohmann/json.hpp>

#include "userspace/sink/timestamp.h"

namespace mtlswatch {
namespace {

using nlohmann::json;

std::string dump(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

json named(const NamedCounts& counts) {
  json object = json::object();
  for (const auto& [name, count] : counts) object[name] = count;
  return object;
}

std::uint64_t earlier_count(const Counts& earlier, const std::string& service,
                            const std::pair<Verdict, std::string>& key) {
  const auto counts = earlier.services.find(service);
  if (counts == earlier.services.end()) return 0;
  const auto count = counts->second.requests.find(key);
  return count == counts->second.requests.end() ? 0 : count->second;
}

json verdicts_json(const Counts& counts, const Counts& earlier) {
  json rows = json::array();
  for (const auto& [name, service] : counts.services) {
    for (const auto& [key, count] : service.requests) {
      if (count == 0) continue;
      rows.push_back({{"service", name},
                      {"verdict", text(key.first)},
                      {"reason", key.second},
                      {"requests", count},
                      {"last_minute", count - earlier_count(earlier, name, key)}});
    }
  }
  return rows;
}

json handshakes_json(const Counts& counts) {
  json rows = json::array();
  for (const auto& [kind, count] : counts.handshakes) {
    rows.push_back({{"proxy", kind.proxy},
                    {"outcome", kind.outcome},
                    {"client_cert", kind.client_cert},
                    {"tls_version", kind.tls_version},
                    {"resumed", kind.resumed},
                    {"handshakes", count}});
  }
  return rows;
}

std::uint64_t all_handshakes(const Counts& counts) {
  std::uint64_t sum = 0;
  for (const auto& [kind, count] : counts.handshakes) sum += count;
  return sum;
}

json alerts_json(const Counts& counts) {
  json rows = json::array();
  for (const auto& [key, count] : counts.alerts) {
    if (count != 0) rows.push_back({{"rule", key.first}, {"severity", key.second}, {"incidents", count}});
  }
  return rows;
}

json rates_json(const Counts& counts, const StatusDetails& details) {
  const auto rate = [&](std::uint64_t now, std::uint64_t earlier) {
    return details.earlier_seconds_ago > 0 ? static_cast<double>(now - earlier) / details.earlier_seconds_ago : 0.0;
  };
  return {{"over_seconds", details.earlier_seconds_ago},
          {"requests_per_second", rate(counts.requests, details.earlier.requests)},
          {"handshakes_per_second", rate(all_handshakes(counts), all_handshakes(details.earlier))}};
}

json watching_json(const std::map<std::uint32_t, ProcessFacts>& processes) {
  json rows = json::array();
  for (const auto& [pid, facts] : processes) {
    if (facts.backend.empty() && !facts.front) continue;
    json listeners = json::array();
    for (const Endpoint& listener : facts.listeners) listeners.push_back(listener.text());
    rows.push_back({{"pid", pid},
                    {"name", facts.name},
                    {"role", facts.front ? "front" : "backend"},
                    {"backend", facts.backend},
                    {"executable", facts.executable},
                    {"tls_coverage", facts.tls_coverage},
                    {"listeners", listeners}});
  }
  return rows;
}

json identities_json(const StatusDetails& details) {
  json rows = json::array();
  for (const IdentitySeen& seen : details.top_identities) {
    const auto utc = [&](std::uint64_t ns) {
      return utc_seconds((static_cast<std::int64_t>(ns) + details.utc_minus_boottime_ns) / 1'000'000'000);
    };
    rows.push_back({{"common_name", seen.common_name},
                    {"subject", seen.subject},
                    {"issuer", seen.issuer},
                    {"service", seen.service},
                    {"requests", seen.requests},
                    {"handshakes", seen.handshakes},
                    {"handshakes_rejected", seen.handshakes_rejected},
                    {"not_after", utc_seconds(seen.not_after_s)},
                    {"first_seen", utc(seen.first_seen_ns)},
                    {"last_seen", utc(seen.last_seen_ns)}});
  }
  return rows;
}

json tables_json(const std::vector<TableStatus>& tables) {
  json rows = json::array();
  for (const TableStatus& table : tables) {
    rows.push_back(
        {{"name", table.name}, {"entries", table.entries}, {"capacity", table.capacity}, {"evicted", table.evicted}});
  }
  return rows;
}

json records_json(const std::vector<RecordCounts>& records) {
  json list = json::array();
  for (const RecordCounts& one : records) {
    list.push_back({{"kind", one.kind},
                    {"seen", one.seen},
                    {"emitted", one.emitted},
                    {"dropped", {{"ring_full", one.ring_full}, {"malformed", one.malformed}}}});
  }
  return list;
}

json outputs_json(const std::vector<OutputStatus>& outputs) {
  json rows = json::array();
  for (const OutputStatus& output : outputs) {
    rows.push_back({{"name", output.name},
                    {"written", output.written},
                    {"lost", output.lost},
                    {"queued_bytes", output.queued_bytes},
                    {"last_error", output.last_error}});
  }
  return rows;
}

/// Null: no API server is asked.
json kubernetes_json(const std::optional<KubernetesStatus>& status) {
  if (!status) return nullptr;
  return {{"synced", status->synced},
          {"pods", status->pods},
          {"lists", status->lists},
          {"errors", status->errors},
          {"refused", status->refused},
          {"last_error", status->last_error}};
}

json checks_json(const std::vector<HealthCheck>& checks) {
  json rows = json::array();
  for (const HealthCheck& check : checks) {
    rows.push_back({{"check", check.name}, {"ok", check.ok}, {"needed", check.needed}, {"detail", check.detail}});
  }
  return rows;
}

std::string text_or_empty(const json& object, const char* key) {
  const auto value = object.find(key);
  return value != object.end() && value->is_string() ? value->get<std::string>() : "";
}

}  // namespace

std::string status_json(const AgentStatus& status, const StatusDetails& details,
                        const std::map<std::uint32_t, ProcessFacts>& processes) {
  return dump({{"version", status.version},
               {"uptime_seconds", (status.now_ns - status.started_ns) / 1'000'000'000},
               {"health", !status.is_ready()     ? "not ready"
                          : status.is_degraded() ? "degraded"
                                                 : "ready"},
               {"checks", checks_json(status.checks)},
               {"watching", watching_json(processes)},
               {"rates", rates_json(status.counts, details)},
               {"verdicts", verdicts_json(status.counts, details.earlier)},
               {"handshakes", handshakes_json(status.counts)},
               {"verify_failures", status.counts.verify_failures},
               {"alerts", alerts_json(status.counts)},
               {"identities", {{"distinct", status.identities}, {"top", identities_json(details)}}},
               {"lost", named(status.lost)},
               {"records", records_json(status.records)},
               {"tables", tables_json(status.tables)},
               {"maps", tables_json(status.maps)},
               {"outputs", outputs_json(status.outputs)},
               {"kubernetes", kubernetes_json(status.kubernetes)}});
}

std::string request_json(const AdminRequest& request) {
  return dump(
      {{"command", request.command}, {"id", request.id}, {"filter", request.filter}, {"follow", request.follow}});
}

Result<AdminRequest> parse_request_json(const std::string& line) {
  const json object = json::parse(line, nullptr, false);
  if (!object.is_object()) return Error{"the request is no JSON object"};
  AdminRequest request;
  request.command = text_or_empty(object, "command");
  request.id = text_or_empty(object, "id");
  request.filter = text_or_empty(object, "filter");
  const auto follow = object.find("follow");
  request.follow = follow != object.end() && follow->is_boolean() && follow->get<bool>();
  return request;
}

std::string error_json(const std::string& message) { return dump({{"error", message}}); }

std::optional<std::string> error_in_json(const std::string& line) {
  const json object = json::parse(line, nullptr, false);
  if (!object.is_object()) return "the agent's answer is no JSON object";
  if (object.size() != 1 || !object.contains("error")) return std::nullopt;
  return text_or_empty(object, "error");
}

}  // namespace mtlswatch
