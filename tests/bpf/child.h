// SPDX-License-Identifier: Apache-2.0
// A process of the test's own that does what is to be observed. It shares a page of notes with the test and nothing
// else.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <functional>
#include <string_view>

#include "userspace/base/unique_fd.h"

namespace mtlswatch::test {

/// What the child has to tell, by the test's own numbering.
using Notes = std::array<std::uint64_t, 16>;

class Child {
 public:
  /// Forks. The body waits for run(); after it the child stays until end(). It never returns into the test.
  explicit Child(std::function<void(Notes&)> body);
  ~Child();
  Child(const Child&) = delete;

  pid_t pid() const { return pid_; }
  const Notes& notes() const { return *notes_; }
  /// Lets the body begin.
  void start();
  /// Waits until the body is through; false if the child failed or hung for 10 s.
  bool finished();
  bool run() { return start(), finished(); }
  /// Lets the child exit and reaps it; its exit status as waitpid gives it.
  int end();

 private:
  [[noreturn]] void live(const std::function<void(Notes&)>& body);
  pid_t pid_ = -1;
  Notes* notes_ = nullptr;
  UniqueFd parents_end_;
  UniqueFd childs_end_;
};

/// For bodies: where the condition does not hold the child says what failed, with errno, and exits.
void must(bool condition, std::string_view what);

}  // namespace mtlswatch::test
