// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/inspect_json.h"

#include <nlohmann/json.hpp>

#include <regex>

namespace mtlswatch {
namespace {

using nlohmann::json;

std::string dump(const json& value) { return value.dump(2, ' ', false, json::error_handler_t::replace); }

json process_json(const ProcessFacts& facts, const std::vector<LibraryCoverage>& libraries) {
  json reasons = json::array();
  int score = 0;
  for (const DetectionClue& clue : facts.clues) {
    score += clue.score;
    reasons.push_back(clue.reason);
  }
  if (!facts.front_reason.empty()) reasons.push_back(facts.front_reason);
  json listeners = json::array();
  for (const Endpoint& listener : facts.listeners) listeners.push_back(listener.text());
  json paths = json::array();
  for (const LibraryCoverage& library : libraries) {
    if (is_used_by(library, facts.pid)) paths.push_back(library.path);
  }
  return {{"pid", facts.pid},
          {"parent_pid", facts.parent_pid},
          {"name", facts.name},
          {"executable", facts.executable},
          {"user_id", facts.uid},
          {"cgroup", facts.cgroup},
          {"backend", facts.backend},
          {"front", facts.front},
          {"score", score},
          {"reasons", reasons},
          {"listeners", listeners},
          {"stream_witness", facts.stream_witness},
          {"tls", {{"coverage", facts.tls_coverage}, {"reason", facts.tls_coverage_reason}, {"libraries", paths}}}};
}

json trust_json(const WitnessTrust& trust) {
  return {{"state", trust.state}, {"agreements", trust.agreements}, {"contradictions", trust.contradictions}};
}

json library_json(const LibraryCoverage& library) {
  json probes = json::array();
  json unplaced = json::array();
  for (const ProbeCoverage& probe : library.probes) {
    if (probe.placement.empty()) {
      unplaced.push_back({{"symbol", probe.symbol}, {"reason", probe.missing}});
      continue;
    }
    probes.push_back({{"symbol", probe.symbol},
                      {"placement", probe.placement},
                      {"file_offset", probe.file_offset},
                      {"instruction", probe.instruction},
                      {"emulated", probe.emulated}});
  }
  return {{"path", library.path},
          {"name", library.name},
          {"version", library.version},
          {"build_id", library.build_id},
          {"coverage", library.state},
          {"cannot_see", library.cannot_see},
          {"cost", library.cost},
          {"processes", library.pids},
          {"probes", probes},
          {"unplaced", unplaced}};
}

/// "FILE:LINE:COLUMN: message", as load_config says it.
json error_json(const std::string& text) {
  static const std::regex kPlace(":([0-9]{1,9}):([0-9]{1,9}): ");
  std::smatch place;
  if (!std::regex_search(text, place, kPlace)) return {{"message", text}};
  const std::string file = place.prefix(), message = place.suffix();
  return {{"file", file}, {"line", std::stoul(place.str(1))}, {"column", std::stoul(place.str(2))}, {"message", message}};
}

}  // namespace

std::string config_check_json(const Result<Config>& config, bool with_effective) {
  json errors = json::array();
  if (!config) errors.push_back(error_json(config.error().message));
  json result = {{"valid", errors.empty()}, {"errors", std::move(errors)}};
  if (config && with_effective) result["effective"] = effective_config(*config);
  return dump(result);
}

std::string checks_json(const std::vector<EnvironmentCheck>& checks) {
  json rows = json::array();
  for (const EnvironmentCheck& check : checks) {
    rows.push_back({{"name", check.name},
                    {"ok", check.ok},
                    {"fatal", check.fatal},
                    {"detail", check.detail},
                    {"advice", check.advice}});
  }
  return dump({{"checks", rows}});
}

std::string targets_json(const std::map<std::uint32_t, ProcessFacts>& processes, const std::vector<LibraryCoverage>& libraries,
                         const Correlator* correlator) {
  json rows = json::array();
  for (const auto& [pid, facts] : processes) {
    rows.push_back(process_json(facts, libraries));
    if (correlator != nullptr && facts.backend.empty()) rows.back()["trust"] = trust_json(correlator->trust(pid));
  }
  json files = json::array();
  for (const LibraryCoverage& library : libraries) files.push_back(library_json(library));
  return dump({{"processes", rows}, {"libraries", files}});
}

}  // namespace mtlswatch
