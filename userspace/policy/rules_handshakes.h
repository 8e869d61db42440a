// SPDX-License-Identifier: Apache-2.0
// Rules about handshakes: certificates near or past their end, weak protocols, and sources that fail again and again.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "userspace/base/utc_clock.h"

#include "userspace/policy/rules_incidents.h"

namespace mtlswatch {

/// A client certificate was shown, and TLS refused it or its verification failed. Its own mistake, or an attack.
bool is_failed(const HandshakeReport& report);
/// A client certificate was shown and verified.
bool is_verified(const HandshakeReport& report);
/// It failed because the certificate has expired.
bool is_expired(const HandshakeReport& report);

class HandshakeRules {
 public:
  static constexpr std::size_t kSources = 4096;  ///< counted apart; when full, quiet ones are forgotten, then all

  HandshakeRules(const RuleTable& rules, UtcClock utc_minus_boottime_ns)
      : rules_(rules), utc_minus_boottime_ns_(utc_minus_boottime_ns) {}

  /// MTLS-1005, 1009, 1011.
  void see(const HandshakeReport& report, std::vector<Sighting>& seen);

 private:
  struct Failures {
    std::uint64_t since_ns = 0;
    std::uint32_t count = 0;
  };

  void see_expiry(const HandshakeReport& report, std::vector<Sighting>& seen) const;
  void see_burst(const HandshakeReport& report, std::vector<Sighting>& seen);
  void make_room(std::uint64_t now_ns);

  const RuleTable& rules_;
  UtcClock utc_minus_boottime_ns_;
  std::unordered_map<std::string, Failures> failures_;  ///< by source
};

}  // namespace mtlswatch
