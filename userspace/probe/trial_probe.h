// SPDX-License-Identifier: Apache-2.0
// A return probe in this program's own file, for one child of ours, that counts its hits.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "userspace/base/result.h"
#include "userspace/base/unique_fd.h"
#include "userspace/probe/kernel_features.h"

namespace mtlswatch {

class TrialProbe {
 public:
  static Result<TrialProbe> attach(UprobePath path, pid_t pid, std::uint64_t file_offset);
  Result<std::uint64_t> hits() const;

 private:
  static Result<TrialProbe> attach_event(pid_t pid, std::uint64_t file_offset);
  static Result<TrialProbe> attach_link(pid_t pid, std::uint64_t file_offset);

  UniqueFd probe_;    ///< perf event or link
  UniqueFd counter_;  ///< a link's program counts in this map
};

}  // namespace mtlswatch
