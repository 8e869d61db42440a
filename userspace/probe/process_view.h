// SPDX-License-Identifier: Apache-2.0
// Files as a process sees them: below its root, or below its working directory. Used by the Django detector. Links are
// resolved inside that directory only (openat2(2)), so that a process cannot lead the agent to a file of another's.
#pragma once

#include <string>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/base/unique_fd.h"

namespace mtlswatch {

class ProcessView {
 public:
  /// directory: /proc/PID/root or /proc/PID/cwd.
  explicit ProcessView(const std::string& directory);

  bool exists(const std::string& path) const;
  /// At most limit bytes of a regular file; what is longer is cut.
  Result<std::string> read(const std::string& path, std::size_t limit) const;
  /// At most limit names in a directory, in no order; none where it cannot be read.
  std::vector<std::string> names(const std::string& path, std::size_t limit) const;

 private:
  Result<UniqueFd> open(const std::string& path, int flags) const;
  UniqueFd directory_;
};

}  // namespace mtlswatch
