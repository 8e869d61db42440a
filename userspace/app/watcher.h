// SPDX-License-Identifier: Apache-2.0
// The control path: finds the processes that matter, tells the kernel side to observe them, and probes their TLS
// libraries. No event passes through it. Used by the agent and by `targets`, on the event loop's thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/model/config.h"
#include "userspace/model/process.h"
#include "userspace/probe/discovery.h"
#include "userspace/probe/kernel.h"

namespace mtlswatch {

/// What one library's analysis and attachment came to, for `targets` and the coverage of its processes.
struct LibraryReport {
  LibraryPlan plan;
  std::string display_path;
  LibraryAttachment attachment;
  std::string failure;  ///< why the file could not be analysed; empty if it could
};

class Watcher {
 public:
  /// What a scan found: processes that are new or changed, then connection records, both to be given to the pipeline.
  struct News {
    std::vector<ProcessFacts> processes;
    std::vector<std::uint8_t> connection_records;
  };

  Watcher(const Config& config, Kernel& kernel, bool return_probes_are_safe)
      : config_(config), kernel_(kernel), return_probes_are_safe_(return_probes_are_safe) {}

  /// Looks at the whole host. With is_dry nothing is observed or attached: `targets`.
  Result<News> scan(bool is_dry = false);
  /// Probes the TLS libraries that the system has, whether or not a process uses them yet.
  void attach_system_libraries();
  /// One process, now, interesting or not. Nothing if it has ended.
  std::optional<ProcessFacts> examine(std::uint32_t pid);

  const std::map<std::uint32_t, ProcessFacts>& processes() const { return known_; }
  const std::vector<LibraryReport>& libraries() const { return libraries_; }

 private:
  Status read_listeners();
  Status observe(std::vector<ProcessFacts> found);
  void forget_uninteresting();
  void cover(ProcessFacts& facts, bool is_dry);
  const LibraryReport& attach(const TlsLibrary& library, bool is_dry);
  Result<std::vector<std::uint8_t>> mark_older_connections();
  bool learn(const ProcessFacts& facts);

  Config config_;
  Kernel& kernel_;
  bool return_probes_are_safe_;
  Discovery discovery_;
  std::vector<Listener> listeners_;
  std::map<std::uint32_t, ProcessFacts> known_;
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::size_t> library_index_;  ///< device and inode
  std::vector<LibraryReport> libraries_;
};

}  // namespace mtlswatch
