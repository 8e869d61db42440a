// SPDX-License-Identifier: Apache-2.0
#include "userspace/correlate/process_directory.h"

namespace mtlswatch {

void ProcessDirectory::apply(const ProcessChange& change) {
  if (change.kind == ProcessChangeKind::kExit) {
    const auto entry = entries_.find(change.pid);
    if (entry != entries_.end()) entry->second.ended_ns = change.time_ns;
    return;
  }
  if (change.kind == ProcessChangeKind::kExec) {
    entries_.erase(change.pid);
    late_.erase(change.pid);
  }
  if (change.kind != ProcessChangeKind::kFork) return;
  if (late_.contains(change.parent_pid)) late_.insert(change.pid);
  const auto parent = entries_.find(change.parent_pid);
  if (parent == entries_.end()) return;
  ProcessFacts child = parent->second.facts;
  child.pid = change.pid;
  child.parent_pid = change.parent_pid;
  learn(child);
}

ProcessFacts ProcessDirectory::find(std::uint32_t pid) const {
  const auto entry = entries_.find(pid);
  if (entry != entries_.end()) return entry->second.facts;
  ProcessFacts facts;
  facts.pid = pid;
  return facts;
}

void ProcessDirectory::sweep(std::uint64_t now_ns) {
  std::erase_if(entries_, [now_ns](const auto& item) {
    const std::uint64_t ended_ns = item.second.ended_ns;
    return ended_ns != 0 && now_ns > ended_ns + kLingerNs;
  });
  std::erase_if(late_, [this](std::uint32_t pid) { return !entries_.contains(pid); });
}

}  // namespace mtlswatch
