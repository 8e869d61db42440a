// SPDX-License-Identifier: Apache-2.0
// Plans of libraries and what tests ask of them.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "userspace/probe/library.h"

namespace mtlswatch {

inline LibraryPlan plan_of(const std::string& path) {
  const auto plan = analyse_library(path);
  EXPECT_TRUE(plan) << plan.error().message;
  return plan ? *plan : LibraryPlan{};
}

inline std::vector<ProbePoint> points_of(const LibraryPlan& plan, ProbePurpose purpose) {
  std::vector<ProbePoint> points;
  for (const ProbePoint& point : plan.points) {
    if (point.purpose == purpose) points.push_back(point);
  }
  return points;
}

inline std::vector<std::string> instructions_of(const LibraryPlan& plan, ProbePurpose purpose) {
  std::vector<std::string> texts;
  for (const ProbePoint& point : points_of(plan, purpose)) texts.push_back(point.disassembly);
  return texts;
}

inline std::vector<std::string> reasons_of(const LibraryPlan& plan, ProbePurpose purpose) {
  std::vector<std::string> reasons;
  for (const UnplacedSymbol& one : plan.unplaced) {
    if (one.purpose == purpose) reasons.push_back(one.reason);
  }
  return reasons;
}

}  // namespace mtlswatch
