// SPDX-License-Identifier: Apache-2.0
// MTLS-1012: most handshakes of a listener fail, told beside the HTTP statuses of those that went through. MTLS-1008:
// many requests of a backend cannot be judged, records were lost, or a front forwards whose TLS cannot be seen.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "userspace/model/process.h"
#include "userspace/policy/rules_incidents.h"
#include "userspace/policy/rules_windows.h"

namespace mtlswatch {

class FailureRateRule {
 public:
  static constexpr std::size_t kListeners = 512;

  explicit FailureRateRule(const RuleTable& rules) : rules_(rules) {}

  void see(const HandshakeReport& report);
  void see(const RequestReport& report);
  void tick(std::uint64_t now_ns, std::vector<Sighting>& seen);

 private:
  struct Counts {
    Endpoint listener;
    std::uint64_t handshakes = 0, failed = 0;
    std::array<std::uint64_t, 6> statuses{};  ///< by class; 0: none seen
    std::string evidence;
  };
  Counts* of(const Endpoint& listener);

  const RuleTable& rules_;
  WindowClock clock_;
  std::map<std::string, Counts> listeners_;  ///< of this window
};

class BlindnessRule {
 public:
  static constexpr std::size_t kBackends = 256;
  static constexpr std::size_t kFronts = 1024;

  explicit BlindnessRule(const RuleTable& rules) : rules_(rules) {}

  void see(const RequestReport& report);
  void see(const AgentReport& report, std::vector<Sighting>& seen) const;
  void tick(std::uint64_t now_ns, std::vector<Sighting>& seen);

 private:
  struct Counts {
    std::uint64_t requests = 0, blind = 0;
    std::string evidence;
  };
  struct BlindFront {
    SharedProcess process;
    std::string evidence;
  };
  void note_blind_fronts(const RequestReport& report);

  const RuleTable& rules_;
  WindowClock clock_;
  std::map<std::string, Counts> backends_;          ///< of this window
  std::map<std::string, BlindFront> blind_fronts_;  ///< by executable; that forwarded in this window
};

}  // namespace mtlswatch
