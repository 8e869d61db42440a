// SPDX-License-Identifier: Apache-2.0
// Who a process is taken for before, and after, somebody could look at it.
#include "userspace/correlate/process_directory.h"

#include <gtest/gtest.h>

namespace mtlswatch {
namespace {

constexpr std::uint32_t kMaster = 100, kChild = 101;

ProcessFacts front(std::uint32_t pid) {
  ProcessFacts facts;
  facts.pid = pid;
  facts.executable = "/usr/bin/socat";
  facts.front = true;
  return facts;
}

ProcessChange change(ProcessChangeKind kind, std::uint32_t pid, std::uint32_t parent_pid = 0) {
  return ProcessChange{1, pid, kind, parent_pid, true};
}

TEST(ProcessDirectory, a_child_is_what_its_parent_is) {
  ProcessDirectory directory;
  directory.learn(front(kMaster));
  directory.apply(change(ProcessChangeKind::kFork, kChild, kMaster));
  EXPECT_TRUE(directory.is_known(kChild));
  EXPECT_TRUE(directory.find(kChild)->front);
  EXPECT_EQ(directory.find(kChild)->pid, kChild);
  EXPECT_EQ(directory.find(kChild)->parent_pid, kMaster);
}

// A front that serves each connection in a process of its own has just begun to listen: its children end before it is known.
TEST(ProcessDirectory, a_child_that_ended_is_what_its_parent_turns_out_to_be) {
  ProcessDirectory directory;
  directory.apply(change(ProcessChangeKind::kFork, kChild, kMaster));
  EXPECT_FALSE(directory.is_known(kChild));
  directory.apply(change(ProcessChangeKind::kExit, kChild));
  directory.learn(front(kMaster));
  EXPECT_TRUE(directory.find(kChild)->front);
}

TEST(ProcessDirectory, a_number_that_comes_again_is_nobodys_child) {
  ProcessDirectory directory;
  directory.apply(change(ProcessChangeKind::kFork, kChild, kMaster));
  directory.apply(change(ProcessChangeKind::kExec, kChild));
  directory.learn(front(kMaster));
  EXPECT_FALSE(directory.find(kChild)->front);
  directory.apply(change(ProcessChangeKind::kFork, kChild, kMaster));
  directory.apply(change(ProcessChangeKind::kFork, kChild, 7));
  directory.learn(front(kMaster));
  EXPECT_FALSE(directory.find(kChild)->front);
}

TEST(ProcessDirectory, a_child_that_was_looked_at_keeps_its_own_facts) {
  ProcessDirectory directory;
  directory.apply(change(ProcessChangeKind::kFork, kChild, kMaster));
  ProcessFacts own;
  own.pid = kChild;
  directory.learn(own);
  directory.learn(front(kMaster));
  EXPECT_FALSE(directory.find(kChild)->front);
}

TEST(ProcessDirectory, nothing_is_inherited_from_whoever_gets_the_parents_number) {
  for (const auto ending : {ProcessChangeKind::kExit, ProcessChangeKind::kExec}) {
    ProcessDirectory directory;
    directory.apply(change(ProcessChangeKind::kFork, kChild, kMaster));
    directory.apply(change(ending, kMaster));
    directory.learn(front(kMaster));
    EXPECT_FALSE(directory.find(kChild)->front);
  }
}

}  // namespace
}  // namespace mtlswatch
