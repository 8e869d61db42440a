// SPDX-License-Identifier: Apache-2.0
// Both ways to place uprobes, and that a way can be left out.
#include "userspace/probe/kernel_features.h"

#include <gtest/gtest.h>

#include "userspace/probe/return_probe_check.h"
#include "userspace/probe/uprobe_link.h"

namespace mtlswatch {
namespace {

TEST(KernelFeatures, refuse_to_do_without_what_is_none) {
  const auto features = try_kernel_features({"uprobe_multi", "luck"});
  ASSERT_FALSE(features);
  EXPECT_EQ(features.error().message, "\"luck\" is no way to do without");
}

TEST(KernelFeatures, can_be_left_out) {
  const auto features = try_kernel_features(feature_names());
  ASSERT_TRUE(features);
  EXPECT_EQ(features->sockets, SocketSource::kNone);
  EXPECT_EQ(features->uprobes, UprobePath::kPerfEvent);
  EXPECT_FALSE(usable_features(feature_names()));
}

TEST(KernelFeatures, of_this_kernel_let_the_agent_work) {
  const auto features = usable_features({});
  ASSERT_TRUE(features) << features.error().message;
}

TEST(KernelFeatures, are_both_good_for_return_probes) {
  const auto features = try_kernel_features();
  ASSERT_TRUE(features);
  const auto by_event = check_return_probes({.uprobes = UprobePath::kPerfEvent});
  ASSERT_TRUE(by_event) << by_event.error().message;
  if (features->uprobes != UprobePath::kMultiLink) GTEST_SKIP() << "this kernel has no uprobe_multi links";
  const auto by_link = check_return_probes({.uprobes = UprobePath::kMultiLink});
  ASSERT_TRUE(by_link) << by_link.error().message;
  EXPECT_EQ(by_link->safe, by_event->safe);
}

TEST(UprobeLink, is_refused_with_a_reason_where_there_is_no_file) {
  errno = 0;
  EXPECT_FALSE(link_uprobe(-1, {"/no/such/file", 0, 0, false}));
  EXPECT_NE(errno, 0);
}

}  // namespace
}  // namespace mtlswatch
