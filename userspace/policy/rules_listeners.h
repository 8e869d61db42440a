// SPDX-License-Identifier: Apache-2.0
// MTLS-1010: a listener that used to refuse clients, or saw none but verified ones, now forwards without a verified
// certificate. Nobody's configuration is read: it is seen from behaviour.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "userspace/policy/rules_incidents.h"

namespace mtlswatch {

class ListenerRule {
 public:
  static constexpr std::size_t kListeners = 512;  ///< further ones are not followed

  explicit ListenerRule(const RuleTable& rules) : rules_(rules) {}

  void see(const HandshakeReport& report);
  void see(const RequestReport& report, std::vector<Sighting>& seen);

 private:
  struct History {
    std::uint64_t refused = 0;        ///< handshakes that failed for want of a good certificate
    std::uint64_t authenticated = 0;  ///< requests in a row
  };
  History* of(const Endpoint& listener);

  const RuleTable& rules_;
  std::unordered_map<std::string, History> listeners_;
};

}  // namespace mtlswatch
