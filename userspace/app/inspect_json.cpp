// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/inspect_json.h"

#include <nlohmann/json.hpp>

namespace mtlswatch {
namespace {

using nlohmann::json;

std::string dump(const json& value) { return value.dump(2, ' ', false, json::error_handler_t::replace); }

json process_json(const ProcessFacts& facts) {
  json reasons = json::array();
  int score = 0;
  for (const DetectionClue& clue : facts.clues) {
    score += clue.score;
    reasons.push_back(clue.reason);
  }
  if (!facts.front_reason.empty()) reasons.push_back(facts.front_reason);
  json listeners = json::array();
  for (const Endpoint& listener : facts.listeners) listeners.push_back(listener.text());
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
          {"tls", {{"coverage", facts.tls_coverage}, {"reason", facts.tls_coverage_reason}}}};
}

json library_json(const LibraryReport& library) {
  json points = json::array();
  for (const ProbePoint& point : library.plan.points) {
    points.push_back({{"symbol", point.symbol},
                      {"file_offset", point.file_offset},
                      {"instruction", point.disassembly},
                      {"emulated", point.instruction_class == InstructionClass::kEmulated}});
  }
  json unplaced = json::array();
  for (const UnplacedSymbol& symbol : library.plan.unplaced) {
    unplaced.push_back({{"symbol", symbol.symbol}, {"reason", symbol.reason}});
  }
  return {{"path", library.display_path},   {"name", library.plan.name}, {"version", library.plan.version},
          {"build_id", library.plan.build_id}, {"probes", points},          {"unplaced", unplaced},
          {"failure", library.failure}};
}

}  // namespace

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

std::string targets_json(const std::map<std::uint32_t, ProcessFacts>& processes, const std::vector<LibraryReport>& libraries) {
  json rows = json::array();
  for (const auto& [pid, facts] : processes) rows.push_back(process_json(facts));
  json files = json::array();
  for (const LibraryReport& library : libraries) files.push_back(library_json(library));
  return dump({{"processes", rows}, {"libraries", files}});
}

}  // namespace mtlswatch
