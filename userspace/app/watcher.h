// SPDX-License-Identifier: Apache-2.0
// The control path: finds the processes that matter, tells the kernel side to observe them, and probes their TLS
// libraries. No event passes through it. Used by the agent and by `targets`, on the event loop's thread.
#pragma once

#include <mtlswatch/event.h>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "userspace/app/probed_libraries.h"
#include "userspace/base/result.h"
#include "userspace/model/config.h"
#include "userspace/model/process.h"
#include "userspace/probe/discovery.h"
#include "userspace/probe/kernel.h"

namespace mtlswatch {

class Watcher {
 public:
  /// What a scan found: processes that are new or changed, then connection records, both to be given to the pipeline.
  struct News {
    std::vector<ProcessFacts> processes;
    std::vector<std::uint8_t> connection_records;
  };

  Watcher(const Config& config, Kernel& kernel, bool return_probes_are_safe)
      : config_(config), kernel_(kernel), libraries_(kernel, return_probes_are_safe) {}

  /// Looks at the whole host. With is_dry nothing is observed or attached: `targets`.
  Result<News> scan(bool is_dry = false);
  /// One process, now, interesting or not. Nothing if it has ended.
  std::optional<ProcessFacts> examine(std::uint32_t pid);
  /// Where somebody began to listen: who listens is then read anew before the next process is examined.
  void note(const mtlswatch_process& change);
  /// Somebody has begun to listen since that was read last, and it may be read again.
  bool has_new_listeners() const;

  /// From the next scan on backends are told by these pods too.
  void use_pods(const PodDirectory& pods) { discovery_.use_pods(pods); }
  /// Processes for which a witness on demand is worth its cost: the next scan switches it on for them, off for others.
  /// Returns whether that would change anything.
  /// content: likewise of processes whose reads from their clients are worth telling.
  bool want(std::set<std::uint32_t> streams, std::set<std::uint32_t> content);

  const std::map<std::uint32_t, ProcessFacts>& processes() const { return known_; }
  ProbedLibraries& libraries() { return libraries_; }
  const ProbedLibraries& libraries() const { return libraries_; }
  /// The system's OpenSSL 3, which the agent itself can load; empty if it has none.
  static std::string own_library();
  /// Whether this record asks for a scan: a TLS hello comes to a process that may have loaded its TLS library just now.
  bool is_news_of_a_library(std::span<const std::uint8_t> record) const;

 private:
  Status read_listeners();
  Status observe(std::vector<ProcessFacts> found);
  void forget_uninteresting();
  void use_system_libraries();
  void cover(ProcessFacts& facts, bool is_dry);
  std::string watch_streams(const ProcessFacts& facts, bool is_dry);
  std::string watch_on_demand(const ProcessFacts& facts, bool is_dry);
  std::string watch_content(const ProcessFacts& facts);
  std::string attach_streams(const ProcessFacts& facts, std::uint32_t pid, bool is_dry);
  Result<std::vector<std::uint8_t>> mark_older_connections();
  bool learn(const ProcessFacts& facts);

  Config config_;
  Kernel& kernel_;
  Discovery discovery_;
  std::vector<Listener> listeners_;
  bool listeners_are_old_ = false;
  std::uint64_t listeners_read_ns_ = 0;
  std::uint64_t listeners_due_ns_ = 0;  ///< not to be read again before
  std::map<std::uint32_t, ProcessFacts> known_;
  ProbedLibraries libraries_;
  std::map<FileIdentity, std::string> stream_witnesses_;  ///< by executable: what came of it
  std::set<std::uint32_t> wants_streams_;                        ///< processes
  std::set<std::uint32_t> wants_content_;  ///< processes
  std::map<std::uint32_t, std::string> streams_on_demand_;  ///< by process: what came of it
};

}  // namespace mtlswatch
