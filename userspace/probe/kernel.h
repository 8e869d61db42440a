// SPDX-License-Identifier: Apache-2.0
// The kernel side as one object: open, configure, load, attach; then its maps and iterators. Used by app/agent on the
// event loop's thread. Everything is undone when it goes.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/model/status.h"
#include "userspace/probe/kernel_features.h"
#include "userspace/probe/library.h"
#include "userspace/probe/stream_points.h"
#include "userspace/probe/uprobe_link.h"

struct mtlswatch_bpf;
struct bpf_link;
struct bpf_program;

namespace mtlswatch {

struct KernelOptions {
  std::uint32_t ring_bytes = 4u << 20;  ///< rounded up to a power of two
  std::vector<std::string> without;     ///< of feature_names: ways to pretend that this kernel lacks them
};

/// What one library's probes came to.
struct LibraryAttachment {
  std::optional<std::uint32_t> slot;  ///< for detach_library and hits; nothing is attached without one
  std::size_t attached = 0;
  std::vector<std::string> failures;  ///< by point of the plan; empty: attached
};

/// How often probes of one purpose have fired in one library, in whatever process.
struct ProbeHits {
  std::uint64_t count = 0;
  std::uint64_t last_ns = 0;  ///< 0: never
};

/// Sums over CPUs of what the kernel side counts.
struct KernelCounters {
  std::vector<std::uint64_t> submitted;  ///< by enum mtlswatch_kind
  std::vector<std::uint64_t> dropped;    ///< the ring was full
  std::vector<std::uint64_t> failures;   ///< by enum mtlswatch_failure
};

class Kernel {
 public:
  /// Opens, configures and loads the programs. Errors say what the kernel refused.
  static Result<Kernel> load(const KernelOptions& options);
  Kernel(Kernel&&) noexcept;
  Kernel& operator=(Kernel&&) noexcept;
  ~Kernel();

  /// Attaches the socket and process programs. All of them or an error.
  Status attach();

  /// Puts the plan's probes into the file at path, for every process that maps it. A point that fails is a line.
  /// asks_caller: only calls that come from a file of add_calling_file count.
  LibraryAttachment attach_library(const LibraryPlan& plan, const std::string& path, bool with_return_probes,
                                   bool asks_caller = false);
  void detach_library(std::uint32_t slot);
  ProbeHits hits(std::uint32_t slot, ProbePurpose purpose) const;
  Status add_calling_file(std::uint64_t inode);

  /// Puts every point into the executable at path, or none; for this process alone, or with 0 for every one that runs it.
  Status attach_streams(const std::vector<StreamPoint>& points, const std::string& path, std::uint32_t pid);
  void detach_streams(std::uint32_t pid) { stream_links_.erase(pid); }

  /// Runs an iterator; its records are handed over whole. Listeners first: the connections' roles rest on them.
  Result<std::vector<std::uint8_t>> read_listeners();
  Result<std::vector<std::uint8_t>> read_older_connections();

  Status observe(std::uint32_t pid, std::uint32_t flags);  ///< enum mtlswatch_observed, replaces
  void mark_scanned(std::uint32_t pid);  ///< its older sockets are marked; nothing if it has ended
  std::uint32_t observed(std::uint32_t pid) const;         ///< 0: not observed
  void forget(std::uint32_t pid);
  std::vector<std::uint32_t> observed_pids() const;
  Status protect_port(std::uint16_t port);

  /// Records of all kinds that found the ring full so far.
  std::uint64_t records_lost() const;
  const KernelFeatures& features() const { return features_; }
  int ring_fd() const;
  KernelCounters counters() const;
  std::vector<TableStatus> map_fill() const;  ///< of the maps that can be full

 private:
  struct Destroy {
    void operator()(mtlswatch_bpf* skeleton) const;
    void operator()(bpf_link* link) const;
  };
  using Link = std::unique_ptr<bpf_link, Destroy>;
  Kernel(std::unique_ptr<mtlswatch_bpf, Destroy> skeleton, const KernelFeatures& features);
  bpf_program* program_for(ProbePurpose purpose) const;
  Result<Uprobe> attach_point(const ProbePoint& point, const std::string& path, std::uint64_t cookie);
  std::optional<std::uint32_t> take_slot();
  Result<std::vector<std::uint8_t>> run_iterator(bpf_program* program, const char* name);
  void forget_all_listeners_but(std::span<const std::uint8_t> records);

  std::unique_ptr<mtlswatch_bpf, Destroy> skeleton_;
  KernelFeatures features_;
  std::vector<Link> links_;  ///< of the socket and process programs
  std::map<std::uint32_t, std::vector<Uprobe>> library_links_;  ///< by slot
  std::map<std::uint32_t, std::vector<Uprobe>> stream_links_;   ///< in proxies' executables, by process; 0: for all of them
};

}  // namespace mtlswatch
