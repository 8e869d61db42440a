// SPDX-License-Identifier: Apache-2.0
#include "userspace/probe/process_table.h"

#include <unordered_set>
#include <utility>

namespace mtlswatch {
namespace {

constexpr std::size_t kShownCommandLineBytes = 512;
constexpr int kAncestors = 32;

template <typename T>
T value_or(Result<T> result, T fallback) {
  return result ? std::move(*result) : std::move(fallback);
}

bool same_image(const ProcessEntry& entry, const ProcessStat& stat) {
  return entry.facts.start_time_ticks == stat.start_time_ticks && entry.image == stat.image &&
         entry.facts.name == stat.name;
}

}  // namespace

ProcessTable::ProcessTable(ProcReader reader) : reader_(std::move(reader)) {}

void ProcessTable::refresh() {
  const auto pids = reader_.pids();
  if (!pids) return;  // without /proc nothing is known to have changed
  const std::unordered_set<std::uint32_t> alive(pids->begin(), pids->end());
  std::erase_if(entries_, [&](const auto& item) { return !alive.contains(item.first); });
  for (const std::uint32_t pid : *pids) update(pid);
}

const ProcessEntry* ProcessTable::refresh(std::uint32_t pid) {
  const ProcessEntry* entry = update(pid);
  const ProcessEntry* ancestor = entry;
  for (int depth = 0; ancestor != nullptr && ancestor->facts.parent_pid != 0 && depth < kAncestors; ++depth) {
    ancestor = update(ancestor->facts.parent_pid);
  }
  return entry;
}

const ProcessEntry* ProcessTable::find(std::uint32_t pid) const {
  const auto found = entries_.find(pid);
  return found == entries_.end() ? nullptr : &found->second;
}

const ProcessEntry* ProcessTable::master_of(const ProcessEntry& entry) const {
  const ProcessEntry* parent = find(entry.facts.parent_pid);
  if (parent == nullptr || parent->executable == FileIdentity{} || parent->executable != entry.executable)
    return nullptr;
  return parent->facts.start_time_ticks <= entry.facts.start_time_ticks ? parent : nullptr;
}

void ProcessTable::watch(std::uint32_t pid) {
  const auto found = entries_.find(pid);
  if (found != entries_.end()) found->second.watched = true;
}

/// References stay valid while others are inserted: unordered_map never moves its nodes.
ProcessEntry* ProcessTable::update(std::uint32_t pid) {
  const auto stat = reader_.stat(pid);
  if (!stat) {
    entries_.erase(pid);
    return nullptr;
  }
  ProcessEntry& entry = entries_[pid];
  const bool changed = entry.facts.pid == 0 || !same_image(entry, *stat);
  entry.virtual_bytes = stat->virtual_bytes;
  entry.facts.parent_pid = stat->parent_pid;
  if (changed || !entry.settled) {
    read_all(pid, *stat, entry);
    entry.settled = !changed;
  } else if (entry.watched) {
    read_owner(pid, entry);
  }
  return &entry;
}

void ProcessTable::read_all(std::uint32_t pid, const ProcessStat& stat, ProcessEntry& entry) {
  ++full_reads_;
  entry.facts.pid = pid;
  entry.facts.start_time_ticks = stat.start_time_ticks;
  entry.facts.name = stat.name;
  entry.image = stat.image;
  entry.command_line = value_or(reader_.command_line(pid), std::string());
  entry.facts.command_line = entry.command_line.substr(0, kShownCommandLineBytes);
  entry.facts.executable = value_or(reader_.executable(pid), std::string());
  const ExecutableFile file = value_or(reader_.executable_file(pid), ExecutableFile{});
  entry.executable = file.identity;
  entry.facts.executable_root_owned = file.root_owned;
  read_owner(pid, entry);
}

/// A uid that cannot be read must not be taken for root's: it is then nobody's, the highest number.
void ProcessTable::read_owner(std::uint32_t pid, ProcessEntry& entry) const {
  entry.facts.uid = value_or(reader_.effective_uid(pid), static_cast<std::uint32_t>(-1));
  entry.facts.cgroup = value_or(reader_.cgroup(pid), std::string());
}

}  // namespace mtlswatch
