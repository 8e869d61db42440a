// SPDX-License-Identifier: Apache-2.0
#include "userspace/correlate/process_directory.h"

#include <utility>

namespace mtlswatch {
namespace {

SharedProcess only_number(std::uint32_t pid) {
  ProcessFacts facts;
  facts.pid = pid;
  return std::make_shared<const ProcessFacts>(std::move(facts));
}

}  // namespace

void ProcessDirectory::learn(const ProcessFacts& facts) {
  entries_[facts.pid] = Entry{std::make_shared<const ProcessFacts>(facts), 0, true, 0};
  for (auto& [pid, entry] : entries_) {
    if (entry.heir_of == facts.pid) inherit(entry, facts);
  }
}

void ProcessDirectory::apply(const ProcessChange& change) {
  if (change.kind == ProcessChangeKind::kExit || change.kind == ProcessChangeKind::kExec) end_inheritance(change.pid);
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
  Entry& child = entries_[change.pid];
  child = Entry{};
  child.facts = only_number(change.pid);
  child.heir_of = change.parent_pid;
  const auto parent = entries_.find(change.parent_pid);
  if (parent != entries_.end() && parent->second.is_known) inherit(child, *parent->second.facts);
}

void ProcessDirectory::inherit(Entry& child, const ProcessFacts& parent) {
  ProcessFacts facts = parent;
  facts.pid = child.facts->pid;
  facts.parent_pid = parent.pid;
  child.facts = std::make_shared<const ProcessFacts>(std::move(facts));
  child.is_known = true;
}

/// Its number may come again, for another program.
void ProcessDirectory::end_inheritance(std::uint32_t parent_pid) {
  for (auto& [pid, entry] : entries_) {
    if (entry.heir_of == parent_pid) entry.heir_of = 0;
  }
}

SharedProcess ProcessDirectory::find(std::uint32_t pid) const {
  const auto entry = entries_.find(pid);
  return entry != entries_.end() ? entry->second.facts : only_number(pid);
}

void ProcessDirectory::sweep(std::uint64_t now_ns) {
  std::erase_if(entries_, [now_ns](const auto& item) {
    const std::uint64_t ended_ns = item.second.ended_ns;
    return ended_ns != 0 && now_ns > ended_ns + kLingerNs;
  });
  std::erase_if(late_, [this](std::uint32_t pid) { return !entries_.contains(pid); });
}

}  // namespace mtlswatch
