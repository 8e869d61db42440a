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

struct Section {
  const char* title;
  const char* list;
  std::vector<Column> columns;
};

const std::vector<Section>& sections() {
  static const std::vector<Section> all = {
      {"Health", "/checks", {{"CHECK", "/check"}, {"STATE", "/state"}, {"DETAIL", "/detail"}}},
      {"Watched", "/watching", {{"PID", "/pid"}, {"NAME", "/name"}, {"ROLE", "/role"}, {"BACKEND", "/backend"},
                                {"TLS", "/tls_coverage"}, {"LISTENS ON", "/listens_on"}}},
      {"Requests", "/verdicts", {{"BACKEND", "/service"}, {"VERDICT", "/verdict"}, {"REASON", "/reason"},
                                 {"TOTAL", "/requests"}, {"LAST MINUTE", "/last_minute"}}},
      {"Handshakes", "/handshakes", {{"PROXY", "/proxy"}, {"OUTCOME", "/outcome"}, {"CLIENT CERTIFICATE", "/client_cert"},
                                     {"TLS", "/tls_version"}, {"RESUMED", "/resumed"}, {"TOTAL", "/handshakes"}}},
      {"Incidents", "/alerts", {{"RULE", "/rule"}, {"SEVERITY", "/severity"}, {"TOTAL", "/incidents"}}},
      {"Clients, the most frequent of {}", "/identities/top",
       {{"NAME", "/common_name"}, {"ISSUER", "/issuer"}, {"BACKEND", "/service"}, {"REQUESTS", "/requests"},
        {"HANDSHAKES", "/handshakes"}, {"REJECTED", "/handshakes_rejected"}, {"VALID UNTIL", "/not_after"}}},
      {"Outputs", "/outputs", {{"OUTPUT", "/name"}, {"WRITTEN", "/written"}, {"LOST", "/lost"},
                               {"QUEUED BYTES", "/queued_bytes"}, {"LAST ERROR", "/last_error"}}},
      {"Kubernetes", "/kubernetes", {{"SYNCED", "/synced"}, {"PODS", "/pods"}, {"LISTS", "/lists"}, {"ERRORS", "/errors"},
                                     {"NO ROOM", "/refused"}, {"LAST ERROR", "/last_error"}}},
  };
  return all;
}

/// A titled table with a row for each element of a list; a dash for what is empty; nothing for an empty list.
std::string section_text(const Section& section, const json& status, bool with_colour) {
  std::vector<std::string> header;
  for (const Column& column : section.columns) header.emplace_back(column.title);
  TextTable rows(header);
  for (const json& element : json_at(status, section.list)) {
    std::vector<std::string> row;
    for (const Column& column : section.columns) {
      const std::string text = json_text(element, column.pointer);
      row.push_back(text.empty() ? "-" : text);
    }
    rows.add(std::move(row));
  }
  const std::string title = fmt::format(fmt::runtime(section.title), json_text(status, "/identities/distinct"));
  return rows.empty() ? "" : fmt::format("\n{}\n{}", title, rows.text(with_colour));
}

/// Listeners joined, words instead of true and false, and a list of one for what is one.
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
  if (status.contains("kubernetes") && status["kubernetes"].is_object()) status["kubernetes"] = json::array({status["kubernetes"]});
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
  for (const Section& section : sections()) result.text += section_text(section, status, with_colour);
  result.text += losses_text(json_at(status, "/lost"));
  return result;
}

}  // namespace mtlswatch
