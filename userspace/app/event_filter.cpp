// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/event_filter.h"

#include <algorithm>
#include <array>

namespace mtlswatch {
namespace {

constexpr std::array<const char*, 7> kKeys = {"dataset", "verdict", "reason", "backend", "outcome", "action", "id"};
constexpr std::size_t kMostBytes = 4096;

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(separator, at), text.size());
    parts.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

/// The value of a key, empty where this kind of report has none.
struct ValueOf {
  const std::string& key;

  std::string operator()(const RequestReport& report) const {
    if (key == "dataset") return "request";
    if (key == "verdict") return text(report.verdict);
    if (key == "reason") return reason_text(report);
    if (key == "backend") return report.backend;
    if (key == "action") return "backend-request";
    if (key == "outcome") return report.status == 0 ? "unknown" : report.status < 400 ? "success" : "failure";
    return report.event_id;
  }
  std::string operator()(const HandshakeReport& report) const {
    if (key == "dataset") return "handshake";
    if (key == "reason") return report.reason;
    if (key == "action") return "tls-handshake";
    if (key == "outcome") return report.outcome;
    return key == "id" ? report.event_id : "";
  }
  std::string operator()(const AgentReport& report) const {
    if (key == "dataset") return "agent";
    if (key == "action") return report.action;
    return key == "id" ? report.event_id : "";
  }
  std::string operator()(const AlertReport& report) const {
    if (key == "dataset") return "alert";
    if (key == "reason") return report.reason;
    if (key == "backend") return report.backend;
    if (key == "action") return report.rule_name;
    return key == "id" ? report.event_id : "";
  }
};

}  // namespace

Result<EventFilter> EventFilter::parse(const std::string& text) {
  EventFilter filter;
  if (text.size() > kMostBytes) return Error{"the filter is too long"};
  if (text.empty()) return filter;
  for (const std::string& part : split(text, ',')) {
    const std::size_t equals = part.find('=');
    if (equals == std::string::npos || equals == 0) return Error{"\"" + part + "\" is no condition, expected KEY=VALUE"};
    Condition condition;
    condition.is_negated = part[equals - 1] == '!';
    condition.key = part.substr(0, equals - (condition.is_negated ? 1 : 0));
    condition.values = split(part.substr(equals + 1), '|');
    if (std::find(kKeys.begin(), kKeys.end(), condition.key) == kKeys.end()) {
      return Error{"\"" + condition.key + "\" cannot be filtered by, expected dataset, verdict, reason, backend, outcome, action or id"};
    }
    filter.conditions_.push_back(std::move(condition));
  }
  return filter;
}

bool EventFilter::passes(const Report& report) const {
  for (const Condition& condition : conditions_) {
    std::string value = std::visit(ValueOf{condition.key}, report);
    const bool is_among = std::find(condition.values.begin(), condition.values.end(), value) != condition.values.end();
    if (is_among == condition.is_negated) return false;
  }
  return true;
}

}  // namespace mtlswatch
