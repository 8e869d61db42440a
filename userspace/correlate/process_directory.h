// SPDX-License-Identifier: Apache-2.0
// What is known of processes by number. A fork's child is what its parent is, also where that is learnt later, until discovery
// says more of the child itself: one that serves a single connection has ended before anybody can look at it.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <unordered_set>

#include "userspace/model/events.h"
#include "userspace/model/process.h"

namespace mtlswatch {

class ProcessDirectory {
 public:
  void learn(const ProcessFacts& facts);

  /// An exec makes a process something unknown; an ended one is remembered for kLingerNs, for requests under way.
  void apply(const ProcessChange& change);

  /// Facts about a process; with nothing but the number when none are known.
  SharedProcess find(std::uint32_t pid) const;
  /// Whether its facts are current: an ended process's number may come again.
  bool is_known(std::uint32_t pid) const {
    const auto entry = entries_.find(pid);
    return entry != entries_.end() && entry->second.ended_ns == 0 && entry->second.is_known;
  }

  /// A client certificate was seen in this process outside of any handshake call; forks inherit it.
  void note_late_authentication(std::uint32_t pid) { late_.insert(pid); }
  bool authenticates_late(std::uint32_t pid) const { return late_.contains(pid); }

  void sweep(std::uint64_t now_ns);
  std::size_t size() const { return entries_.size(); }

 private:
  static constexpr std::uint64_t kLingerNs = 30'000'000'000;
  struct Entry {
    SharedProcess facts = unknown_process();
    std::uint64_t ended_ns = 0;  ///< 0: alive
    bool is_known = false;       ///< else nothing but numbers
    std::uint32_t heir_of = 0;   ///< the parent whose facts these are; 0: its own, or that parent is another process now
  };
  static void inherit(Entry& child, const ProcessFacts& parent);
  void end_inheritance(std::uint32_t parent_pid);
  /// From now on its facts are its own, or nobody's.
  void disinherit(std::uint32_t pid);

  std::unordered_map<std::uint32_t, Entry> entries_;
  std::unordered_map<std::uint32_t, std::unordered_set<std::uint32_t>> heirs_;  ///< by parent: Entry::heir_of
  std::unordered_set<std::uint32_t> late_;
};

}  // namespace mtlswatch
