// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "userspace/probe/library.h"

namespace mtlswatch {
namespace {

constexpr const char* kLibssl = "/usr/lib/x86_64-linux-gnu/libssl.so.3";

long points_of(const LibraryPlan& plan, ProbePurpose purpose) {
  return std::count_if(plan.points.begin(), plan.points.end(), [&](const ProbePoint& point) { return point.purpose == purpose; });
}

// SSL_SESSION_up_ref is called at seven places of libssl; a session was found in the cache at one of them.
TEST(SessionProbes, tell_a_session_found_in_the_cache_from_every_other_reference_to_one) {
  if (!std::filesystem::exists(kLibssl)) GTEST_SKIP() << "needs " << kLibssl;
  const auto plan = analyse_library(kLibssl);
  ASSERT_TRUE(plan) << plan.error().message;
  for (const ProbePurpose purpose : {ProbePurpose::kSessionOffered, ProbePurpose::kSessionStored, ProbePurpose::kSessionFound,
                                     ProbePurpose::kSessionAsked, ProbePurpose::kSessionTaken}) {
    EXPECT_EQ(points_of(*plan, purpose), 1) << static_cast<int>(purpose);
  }
}

}  // namespace
}  // namespace mtlswatch
