// SPDX-License-Identifier: Apache-2.0
// All processes of the host as /proc shows them, read once each and again only when they changed. Used by discovery,
// on its thread. It knows nothing about Django or TLS.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

#include "userspace/model/process.h"
#include "userspace/probe/proc_reader.h"

namespace mtlswatch {

struct ProcessEntry {
  ProcessFacts facts;        ///< what /proc says; discovery's conclusions are empty
  std::string command_line;  ///< longer than facts.command_line
  FileIdentity executable;   ///< all zero: unknown, as for kernel threads
  ImageMark image;
  std::uint64_t virtual_bytes = 0;
  bool settled = false;  ///< read twice: a new process may have been between fork, exec and setuid
  bool watched = false;  ///< uid and cgroup are read at every refresh
};

class ProcessTable {
 public:
  explicit ProcessTable(ProcReader reader);

  /// Brings all entries up to date and forgets ended processes. An unchanged process costs one read of its stat.
  void refresh();
  /// Brings one entry and its ancestors up to date. Null if there is no such process.
  const ProcessEntry* refresh(std::uint32_t pid);

  const ProcessEntry* find(std::uint32_t pid) const;
  /// The parent, if it runs the same executable file: a master of this worker. Null otherwise.
  const ProcessEntry* master_of(const ProcessEntry& entry) const;
  /// From now on changes of the process's uid and cgroup matter.
  void watch(std::uint32_t pid);

  const std::unordered_map<std::uint32_t, ProcessEntry>& entries() const { return entries_; }
  const ProcReader& reader() const { return reader_; }
  /// How often a process was read in full, for tests and measurement.
  std::uint64_t full_reads() const { return full_reads_; }

 private:
  ProcessEntry* update(std::uint32_t pid);
  void read_all(std::uint32_t pid, const ProcessStat& stat, ProcessEntry& entry);
  void read_owner(std::uint32_t pid, ProcessEntry& entry) const;

  ProcReader reader_;
  std::unordered_map<std::uint32_t, ProcessEntry> entries_;
  std::uint64_t full_reads_ = 0;
};

}  // namespace mtlswatch
