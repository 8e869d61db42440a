// SPDX-License-Identifier: Apache-2.0
// All rules together: what is reported goes in, alerts come out. Used by the pipeline, on the event loop's thread.
#pragma once

#include <cstdint>
#include <vector>

#include "userspace/base/utc_clock.h"
#include "userspace/policy/rules_drop.h"
#include "userspace/policy/rules_handshakes.h"
#include "userspace/policy/rules_incidents.h"
#include "userspace/policy/rules_listeners.h"
#include "userspace/policy/rules_rates.h"

namespace mtlswatch {

class RuleEngine {
 public:
  RuleEngine(const std::vector<RuleConfig>& rules, UtcClock utc_minus_boottime_ns)
      : rules_(rules), handshakes_(rules_, utc_minus_boottime_ns) {}
  RuleEngine(const RuleEngine&) = delete;  // the rules refer to rules_
  RuleEngine& operator=(const RuleEngine&) = delete;

  /// What has been counted and what is going on stays.
  void reconfigure(const std::vector<RuleConfig>& rules) { rules_ = RuleTable(rules); }

  void see(const RequestReport& report, std::vector<AlertReport>& alerts);
  void see(const HandshakeReport& report, std::vector<AlertReport>& alerts);
  void see(const AgentReport& report, std::vector<AlertReport>& alerts);
  void on_process(const ProcessFacts& facts);
  void on_exit(std::uint32_t pid);
  /// The clock of windows, summaries and ends.
  void tick(std::uint64_t now_ns, std::vector<AlertReport>& alerts);

 private:
  void book(std::vector<AlertReport>& alerts);

  RuleTable rules_;
  HandshakeRules handshakes_;
  ListenerRule listeners_{rules_};
  DropRule drop_{rules_};
  FailureRateRule rates_{rules_};
  BlindnessRule blindness_{rules_};
  IncidentBook incidents_{rules_};
  std::vector<Sighting> seen_;
  std::uint64_t now_ns_ = 0;
};

}  // namespace mtlswatch
