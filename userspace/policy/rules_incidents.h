// SPDX-License-Identifier: Apache-2.0
// One alert an incident: what the rules see becomes a first alert, summaries, and an end. All times are event time, so
// that a replay gives the same alerts.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "userspace/model/verdict.h"
#include "userspace/policy/rules_catalogue.h"

namespace mtlswatch {

/// What a rule saw once. alert holds what it knows: reason, message, backend, source, ...
struct Sighting {
  RuleId rule = RuleId::kBypass;
  std::string key;       ///< what makes two sightings of the rule the same incident, besides backend and reason
  std::string evidence;  ///< id of the event; empty: none
  AlertReport alert;
};

/// | state    | a sighting | a tick                                                                       |
/// | held     | counts     | first alert once the rate limit allows; quiet: forgotten, counted suppressed |
/// | active   | counts     | summary after summary_after if more was seen; quiet for resolve_after: ends  |
/// A new incident is active at once unless the rate limit holds it. All is bounded: beyond kIncidentsOfARule, new ones
/// of a rule are counted in one incident that names nobody.
class IncidentBook {
 public:
  static constexpr std::size_t kIncidentsOfARule = 128;
  static constexpr std::uint32_t kFirstAlertsAMinute = 60;
  static constexpr std::size_t kEvidence = 10;

  explicit IncidentBook(const RuleTable& rules) : rules_(rules) {}

  void see(Sighting sighting, std::uint64_t now_ns, std::vector<AlertReport>& alerts);
  void tick(std::uint64_t now_ns, std::vector<AlertReport>& alerts);
  std::size_t size() const { return incidents_.size(); }

 private:
  struct Incident {
    RuleId rule = RuleId::kBypass;
    AlertReport alert;  ///< as it would be sent now
    bool active = false;
    std::uint64_t announced_ns = 0;
    std::uint64_t announced_count = 0;
    std::uint64_t seen_ns = 0;  ///< on the clock of the ticks
  };

  Incident& incident_of(Sighting& sighting);
  bool may_announce(std::uint64_t now_ns);
  void announce(Incident& incident, const char* state, std::uint64_t now_ns, std::vector<AlertReport>& alerts);

  const RuleTable& rules_;
  std::map<std::string, Incident> incidents_;  ///< by rule, backend, reason and key; in order, for replay
  std::array<std::size_t, kRules> of_rule_{};
  std::uint64_t minute_ns_ = 0;  ///< beginning of the minute that the rate limit counts
  std::uint32_t in_minute_ = 0;
  std::uint64_t suppressed_ = 0;
};

}  // namespace mtlswatch
