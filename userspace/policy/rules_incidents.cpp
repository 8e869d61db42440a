// SPDX-License-Identifier: Apache-2.0
#include "userspace/policy/rules_incidents.h"

#include <algorithm>

#include "userspace/base/event_id.h"

namespace mtlswatch {
namespace {

constexpr std::uint64_t kMinuteNs = 60'000'000'000;

/// FNV-1a: the same text gives the same fingerprint on every host and after every restart.
std::uint64_t hash(const std::string& text) {
  std::uint64_t value = 0xcbf29ce484222325ull;
  for (const char c : text) value = (value ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  return value;
}

std::string full_key(const Sighting& sighting, const std::string& key) {
  return std::string(info(sighting.rule).id) + "|" + sighting.alert.backend + "|" + sighting.alert.reason + "|" + key;
}

void add_evidence(std::vector<std::string>& evidence, const std::string& id) {
  if (id.empty()) return;
  if (evidence.size() == IncidentBook::kEvidence) evidence.pop_back();
  evidence.push_back(id);
}

std::string ending(const AlertReport& alert) {
  if (alert.state == "first") return "";
  const std::string times = std::to_string(alert.count) + (alert.count == 1 ? " time" : " times");
  return alert.state == "summary" ? " (" + times + " so far)" : " (over; " + times + ")";
}

}  // namespace

IncidentBook::Incident& IncidentBook::incident_of(Sighting& sighting) {
  std::string key = full_key(sighting, sighting.key);
  std::size_t& count = of_rule_[static_cast<std::size_t>(sighting.rule)];
  if (!incidents_.contains(key) && count >= kIncidentsOfARule) {
    sighting.alert.backend.clear();
    sighting.alert.reason = "many";
    sighting.alert.source.reset();
    sighting.alert.process.reset();
    sighting.alert.certificate.reset();
    sighting.alert.message = std::string(info(sighting.rule).description) + ": more different ones than are told apart";
    key = full_key(sighting, "");
  }
  const auto [entry, is_new] = incidents_.try_emplace(key);
  Incident& incident = entry->second;
  if (!is_new) return incident;
  ++count;
  incident.rule = sighting.rule;
  incident.alert = std::move(sighting.alert);
  incident.alert.rule_id = info(sighting.rule).id;
  incident.alert.rule_name = info(sighting.rule).name;
  incident.alert.description = info(sighting.rule).description;
  incident.alert.severity = std::max(incident.alert.severity, info(sighting.rule).severity);
  incident.alert.fingerprint = event_id(hash(key), hash(key + key), 0);
  incident.alert.first_seen_ns = incident.alert.time_ns;
  return incident;
}

void IncidentBook::see(Sighting sighting, std::uint64_t now_ns, std::vector<AlertReport>& alerts) {
  if (!rules_[sighting.rule].enabled) return;
  const std::uint64_t time_ns = sighting.alert.time_ns;
  const std::string evidence = std::move(sighting.evidence);
  Incident& incident = incident_of(sighting);
  AlertReport& alert = incident.alert;
  ++alert.count;
  alert.first_seen_ns = std::min(alert.first_seen_ns, time_ns);
  alert.last_seen_ns = std::max(alert.last_seen_ns, time_ns);
  add_evidence(alert.evidence, evidence);
  incident.seen_ns = now_ns;
  if (!incident.active && may_announce(now_ns)) announce(incident, "first", now_ns, alerts);
}

void IncidentBook::tick(std::uint64_t now_ns, std::vector<AlertReport>& alerts) {
  for (auto entry = incidents_.begin(); entry != incidents_.end();) {
    Incident& incident = entry->second;
    const RuleSettings& settings = rules_[incident.rule];
    const bool is_over = !settings.enabled || now_ns >= incident.seen_ns + settings.resolve_after_ns;
    const bool is_due = now_ns >= incident.announced_ns + settings.summary_after_ns;
    if (incident.active && is_over) {
      announce(incident, "resolved", now_ns, alerts);
    } else if (incident.active && is_due && incident.alert.count > incident.announced_count) {
      announce(incident, "summary", now_ns, alerts);
    } else if (!incident.active && !is_over && may_announce(now_ns)) {
      announce(incident, "first", now_ns, alerts);
    }
    if (!is_over) {
      ++entry;
      continue;
    }
    if (!incident.active) ++suppressed_;
    --of_rule_[static_cast<std::size_t>(incident.rule)];
    entry = incidents_.erase(entry);
  }
}

bool IncidentBook::may_announce(std::uint64_t now_ns) {
  if (now_ns >= minute_ns_ + kMinuteNs) {
    minute_ns_ = now_ns;
    in_minute_ = 0;
  }
  if (in_minute_ == kFirstAlertsAMinute) return false;
  ++in_minute_;
  return true;
}

void IncidentBook::announce(Incident& incident, const char* state, std::uint64_t now_ns,
                            std::vector<AlertReport>& alerts) {
  incident.active = true;
  incident.announced_ns = now_ns;
  incident.announced_count = incident.alert.count;
  AlertReport alert = incident.alert;
  alert.state = state;
  alert.time_ns = now_ns;
  alert.event_id = event_id(now_ns, hash(alert.fingerprint), alert.count);
  alert.suppressed = std::exchange(suppressed_, 0);
  alert.message += ending(alert);
  alerts.push_back(std::move(alert));
}

}  // namespace mtlswatch
