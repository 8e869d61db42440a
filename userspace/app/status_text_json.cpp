// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/status_text_json.h"

#include "userspace/app/json_value.h"

namespace mtlswatch {
namespace {

using nlohmann::json;

struct Column {
  const char* title;
  const char* pointer;
};

/// A titled table with a row for each element of a list; a dash for what is empty; nothing for an empty list.
std::string table(const char* title, const json& list, const std::vector<Column>& columns, bool with_colour) {
  std::vector<std::string> header;
  for (const Column& column : columns) header.emplace_back(column.title);
  TextTable rows(header);
  for (const json& element : list) {
    std::vector<std::string> row;
    for (const Column& column : columns) {
      const std::string text = json_text(element, column.pointer);
      row.push_back(text.empty() ? "-" : text);
    }
    rows.add(std::move(row));
  }
  return rows.empty() ? "" : fmt::format("\n{}\n{}", title, rows.text(with_colour));
}

/// Listeners joined, and words instead of true and false.
json readable(json status) {
  for (json& row : status["watching"]) {
    std::string joined;
    for (const json& listener : json_at(row, "/listeners"))
      joined += (joined.empty() ? "" : " ") + json_text(listener, "");
    row["listens_on"] = joined;
  }
  for (json& row : status["checks"]) {
    const bool is_ok = json_text(row, "/ok") == "true";
    row["state"] = is_ok ? "ok" : json_text(row, "/needed") == "true" ? "FAILED" : "warning";
  }
  return status;
}

std::string losses_text(const json& lost) {
  std::string text;
  for (const auto& [stage, count] : lost.items()) {
    if (count.is_number() && count != 0) text += fmt::format("  {} in {}\n", count.dump(), printable(stage));
  }
  return text.empty() ? "\nNothing was lost.\n" : "\nLost\n" + text;
}

}  // namespace

Result<StatusText> status_text(const std::string& text, bool with_colour) {
  const json parsed = json::parse(text, nullptr, false);
  if (!parsed.is_object() || !parsed.contains("health")) return Error{"the agent's answer is no status"};
  const json status = readable(parsed);
  const std::string health = json_text(status, "/health");
  StatusText result;
  result.is_good = health == "ready";
  result.text =
      fmt::format("mtlswatch {}, up {} s: {}\n{} requests and {} handshakes a second over the last {} s\n",
                  json_text(status, "/version"), json_text(status, "/uptime_seconds"),
                  coloured(health, colour_of(health), with_colour), json_text(status, "/rates/requests_per_second"),
                  json_text(status, "/rates/handshakes_per_second"), json_text(status, "/rates/over_seconds"));
  result.text += table("Health", json_at(status, "/checks"),
                       {{"CHECK", "/check"}, {"STATE", "/state"}, {"DETAIL", "/detail"}}, with_colour);
  result.text += table("Watched", json_at(status, "/watching"),
                       {{"PID", "/pid"},
                        {"NAME", "/name"},
                        {"ROLE", "/role"},
                        {"BACKEND", "/backend"},
                        {"TLS", "/tls_coverage"},
                        {"LISTENS ON", "/listens_on"}},
                       with_colour);
  result.text += table("Requests", json_at(status, "/verdicts"),
                       {{"BACKEND", "/service"},
                        {"VERDICT", "/verdict"},
                        {"REASON", "/reason"},
                        {"TOTAL", "/requests"},
                        {"LAST MINUTE", "/last_minute"}},
                       with_colour);
  result.text += table("Handshakes", json_at(status, "/handshakes"),
                       {{"PROXY", "/proxy"},
                        {"OUTCOME", "/outcome"},
                        {"CLIENT CERTIFICATE", "/client_cert"},
                        {"TLS", "/tls_version"},
                        {"RESUMED", "/resumed"},
                        {"TOTAL", "/handshakes"}},
                       with_colour);
  result.text += table("Incidents", json_at(status, "/alerts"),
                       {{"RULE", "/rule"}, {"SEVERITY", "/severity"}, {"TOTAL", "/incidents"}}, with_colour);
  result.text += table(("Clients, the most frequent of " + json_text(status, "/identities/distinct")).c_str(),
                       json_at(status, "/identities/top"),
                       {{"NAME", "/common_name"},
                        {"ISSUER", "/issuer"},
                        {"BACKEND", "/service"},
                        {"REQUESTS", "/requests"},
                        {"HANDSHAKES", "/handshakes"},
                        {"REJECTED", "/handshakes_rejected"},
                        {"VALID UNTIL", "/not_after"}},
                       with_colour);
  result.text += table("Outputs", json_at(status, "/outputs"),
                       {{"OUTPUT", "/name"},
                        {"WRITTEN", "/written"},
                        {"LOST", "/lost"},
                        {"QUEUED BYTES", "/queued_bytes"},
                        {"LAST ERROR", "/last_error"}},
                       with_colour);
  result.text += losses_text(json_at(status, "/lost"));
  return result;
}

}  // namespace mtlswatch
