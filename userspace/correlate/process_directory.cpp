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
  disinherit(facts.pid);
  entries_[facts.pid] = Entry{std::make_shared<const ProcessFacts>(facts), 0, true, 0};
  const auto heirs = heirs_.find(facts.pid);
  if (heirs == heirs_.end()) return;
  for (const std::uint32_t pid : heirs->second) inherit(entries_.at(pid), facts);
}

void ProcessDirectory::apply(const ProcessChange& change) {
  if (change.kind == ProcessChangeKind::kExit || change.kind == ProcessChangeKind::kExec) end_inheritance(change.pid);
  if (change.kind == ProcessChangeKind::kExit) {
    const auto entry = entries_.find(change.pid);
    if (entry != entries_.end()) entry->second.ended_ns = change.time_ns;
    return;
  }
  if (change.kind == ProcessChangeKind::kExec) {
    disinherit(change.pid);
    entries_.erase(change.pid);
    late_.erase(change.pid);
  }
  if (change.kind != ProcessChangeKind::kFork) return;
  if (late_.contains(change.parent_pid)) late_.insert(change.pid);
  disinherit(change.pid);
  Entry& child = entries_[change.pid];
  child = Entry{};
  child.facts = only_number(change.pid);
  child.heir_of = change.parent_pid;
  heirs_[change.parent_pid].insert(change.pid);
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
  const auto heirs = heirs_.extract(parent_pid);
  if (heirs.empty()) return;
  for (const std::uint32_t pid : heirs.mapped()) entries_.at(pid).heir_of = 0;
}

void ProcessDirectory::disinherit(std::uint32_t pid) {
  const auto entry = entries_.find(pid);
  const std::uint32_t parent_pid = entry == entries_.end() ? 0 : std::exchange(entry->second.heir_of, 0);
  const auto heirs = parent_pid == 0 ? heirs_.end() : heirs_.find(parent_pid);
  if (heirs == heirs_.end()) return;
  heirs->second.erase(pid);
  if (heirs->second.empty()) heirs_.erase(heirs);
}

SharedProcess ProcessDirectory::find(std::uint32_t pid) const {
  const auto entry = entries_.find(pid);
  return entry != entries_.end() ? entry->second.facts : only_number(pid);
}

void ProcessDirectory::sweep(std::uint64_t now_ns) {
  std::erase_if(entries_, [this, now_ns](const auto& item) {
    const bool is_old = item.second.ended_ns != 0 && now_ns > item.second.ended_ns + kLingerNs;
    if (is_old) disinherit(item.first);
    return is_old;
  });
  std::erase_if(late_, [this](std::uint32_t pid) { return !entries_.contains(pid); });
}

}  // namespace mtlswatch
