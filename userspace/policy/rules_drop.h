// SPDX-License-Identifier: Apache-2.0
// MTLS-1007: verified handshakes and authenticated requests of a backend fall away while clients keep coming.
// Handshakes alone say nothing: keep-alive connections make few of them and many requests.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "userspace/model/process.h"
#include "userspace/policy/rules_incidents.h"
#include "userspace/policy/rules_windows.h"

namespace mtlswatch {

class DropRule {
 public:
  static constexpr std::size_t kListeners = 512;
  static constexpr std::size_t kBackends = 256;
  static constexpr std::size_t kFronts = 4096;  ///< processes

  explicit DropRule(const RuleTable& rules) : rules_(rules) {}

  void see(const HandshakeReport& report);
  void see(const RequestReport& report);
  void on_process(const ProcessFacts& facts);
  void on_exit(std::uint32_t pid) { live_fronts_.erase(pid); }
  void tick(std::uint64_t now_ns, std::vector<Sighting>& seen);

 private:
  /// What one window brought.
  struct Counts {
    std::uint64_t verified = 0;                                                                      ///< handshakes
    std::uint64_t authenticated = 0, direct = 0, plaintext = 0, without_certificate = 0, other = 0;  ///< requests
    std::uint64_t failed = 0, expired = 0;  ///< handshakes; expired are failed too

    /// Clients that came, and were not authenticated.
    std::uint64_t unserved() const { return direct + plaintext + without_certificate + other + failed; }
  };
  struct Backend {
    Counts now;
    double usual_verified = 0, usual_authenticated = 0;  ///< a window, exponentially weighted
    std::uint64_t windows = 0;
    std::set<std::string> fronts;  ///< executables that brought authenticated requests
    std::string evidence;          ///< the last request that was not authenticated
  };

  Backend* of_listener(const Endpoint& listener);
  void close_window(const std::string& name, Backend& backend, std::uint64_t now_ns, std::vector<Sighting>& seen) const;
  bool has_dropped(const Backend& backend) const;
  const char* cause(const Backend& backend) const;
  bool fronts_are_gone(const Backend& backend) const;

  const RuleTable& rules_;
  WindowClock clock_;
  std::map<std::string, Backend> backends_;
  std::unordered_map<std::string, std::string> backend_of_listener_;
  std::unordered_map<std::uint32_t, std::string> live_fronts_;  ///< pid -> executable
};

}  // namespace mtlswatch
