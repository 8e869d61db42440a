// SPDX-License-Identifier: Apache-2.0
// When the agent says what it can see: at start, when that changes, and every so often; and in between, the proof that its
// probes fire. Used by the agent, on its thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "userspace/app/watcher.h"
#include "userspace/model/verdict.h"
#include "userspace/probe/self_handshake.h"

namespace mtlswatch {

class CoverageReporter {
 public:
  explicit CoverageReporter(Watcher& watcher) : watcher_(watcher) {}

  /// The event that is due, if one is. Cheap when none is.
  std::optional<AgentReport> turn(std::uint64_t now_ns);

  static constexpr std::uint64_t kLookNs = 1'000'000'000;
  static constexpr std::uint64_t kRegularNs = 600'000'000'000;

 private:
  void check_probes(std::uint64_t now_ns);

  Watcher& watcher_;
  SelfHandshake handshake_;
  std::optional<FileIdentity> checked_;  ///< the library of the handshake that is under way
  std::uint64_t check_began_ns_ = 0;
  std::uint64_t looked_ns_ = 0;
  std::uint64_t reported_ns_ = 0;
  std::uint64_t reports_ = 0;
  std::string reported_;  ///< what the last event said, without its counters
};

}  // namespace mtlswatch
