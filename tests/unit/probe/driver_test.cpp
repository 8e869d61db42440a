// SPDX-License-Identifier: Apache-2.0
#include "userspace/probe/driver.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

namespace mtlswatch {
namespace {

long points_of(const LibraryPlan& plan, ProbePurpose purpose) {
  return std::count_if(plan.points.begin(), plan.points.end(), [&](const ProbePoint& point) { return point.purpose == purpose; });
}

std::string python_module() {
  for (const auto& file : std::filesystem::directory_iterator("/usr/lib/python3.11/lib-dynload")) {
    if (file.path().filename().string().starts_with("_ssl.")) return file.path();
  }
  return {};
}

TEST(Driver, observes_each_read_of_a_server_that_leaves_its_handshakes_to_them) {
  const char* path = "/usr/lib/uwsgi/plugins/http_plugin.so";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "needs uwsgi-core";
  const auto plan = analyse_driver(path);
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_GT(points_of(*plan, ProbePurpose::kRead), 0);
  EXPECT_EQ(points_of(*plan, ProbePurpose::kRead), points_of(*plan, ProbePurpose::kReadResult));
  for (const ProbePoint& point : plan->points) EXPECT_EQ(point.instruction_class, InstructionClass::kEmulated) << point.disassembly;
}

TEST(Driver, observes_what_python_feeds_to_memory) {
  if (!std::filesystem::exists("/usr/lib/python3.11/lib-dynload") || python_module().empty()) GTEST_SKIP() << "needs Debian's python3.11";
  const auto plan = analyse_driver(python_module());
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(points_of(*plan, ProbePurpose::kBioWrite), 1);
  EXPECT_EQ(points_of(*plan, ProbePurpose::kRead), 1);
}

const ProbePoint* point_of(const LibraryPlan& plan, ProbePurpose purpose) {
  const auto found = std::find_if(plan.points.begin(), plan.points.end(), [&](const auto& point) { return point.purpose == purpose; });
  return found == plan.points.end() ? nullptr : &*found;
}

TEST(Driver, observes_nodes_streams_where_they_enter_and_the_read_that_drives_the_handshake) {
  const auto plan = analyse_driver(IMAGE_NODE);
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(plan->points.size(), 5u);
  const ProbePoint* stream = point_of(*plan, ProbePurpose::kStreamRead);
  ASSERT_TRUE(stream);
  EXPECT_EQ(stream->disassembly, "push r14");
  const ProbePoint* result = point_of(*plan, ProbePurpose::kReadResult);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->disassembly, "push rcx");
}

TEST(Driver, observes_each_verify_callback_once_and_only_where_a_fixed_one_is_passed) {
  const auto plan = analyse_driver(IMAGE_NODE);
  ASSERT_TRUE(plan) << plan.error().message;
  std::vector<std::string> instructions;
  for (const ProbePoint& point : plan->points) {
    if (point.purpose == ProbePurpose::kVerifyCallback) instructions.push_back(point.disassembly);
  }
  EXPECT_EQ(instructions, (std::vector<std::string>{"push r12", "push r15"}));
}

TEST(Driver, leaves_a_proxy_alone_that_calls_the_handshake_itself) {
  if (!std::filesystem::exists("/usr/sbin/nginx")) GTEST_SKIP() << "needs nginx";
  const auto plan = analyse_driver("/usr/sbin/nginx");
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(points_of(*plan, ProbePurpose::kVerifyCallback), 1);
  EXPECT_EQ(plan->points.size(), 1u);
}

}  // namespace
}  // namespace mtlswatch
