// SPDX-License-Identifier: Apache-2.0
#include "userspace/probe/stream_points.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "userspace/probe/elf_image.h"

namespace mtlswatch {
namespace {

using testing::HasSubstr;

constexpr const char* kHaproxy = "/usr/sbin/haproxy";
constexpr const char* kNginx = "/usr/sbin/nginx";

std::vector<StreamPoint> points_of(const std::string& path) {
  const auto points = find_stream_points("haproxy", path);
  EXPECT_TRUE(points) << (points ? "" : points.error().message);
  return points ? *points : std::vector<StreamPoint>{};
}

std::vector<std::uint64_t> offsets_of(const std::vector<StreamPoint>& points, StreamPurpose purpose) {
  std::vector<std::uint64_t> offsets;
  for (const StreamPoint& point : points) {
    if (point.purpose == purpose) offsets.push_back(point.file_offset);
  }
  return offsets;
}

std::uint64_t offset_of(const std::string& path, const std::string& symbol) {
  const auto image = ElfImage::open(path);
  const auto function = image ? image->function(symbol) : std::nullopt;
  return function ? image->file_offset(function->address).value_or(0) : 0;
}

std::string why_not(const std::string& path) {
  const auto points = find_stream_points("haproxy", path);
  return points ? "placed" : points.error().message;
}

TEST(StreamPoints, stand_on_cheap_instructions_alone) {
  const auto points = points_of(IMAGE_STREAMS);
  EXPECT_EQ(points.size(), 7u);
  for (const StreamPoint& point : points) EXPECT_TRUE(point.emulated) << point.symbol;
}

TEST(StreamPoints, read_arguments_at_the_first_cheap_instruction_that_still_has_them) {
  const auto points = points_of(IMAGE_STREAMS);
  const std::uint64_t at_entry = offset_of(IMAGE_STREAMS, "sc_attach_mux"), later = offset_of(IMAGE_STREAMS, "tcp_connect_server");
  EXPECT_EQ(offsets_of(points, StreamPurpose::kStreamAttach), std::vector{at_entry});
  EXPECT_EQ(offsets_of(points, StreamPurpose::kUpstream), std::vector{later + 3}) << "behind mov %rdi, %rbx";
}

// A session that the proxy makes for itself has no client.
TEST(StreamPoints, see_sessions_of_accepted_connections_alone) {
  const auto offsets = offsets_of(points_of(IMAGE_STREAMS), StreamPurpose::kClientSession);
  ASSERT_EQ(offsets.size(), 1u);
  EXPECT_GT(offsets[0], offset_of(IMAGE_STREAMS, "session_accept_fd"));
  EXPECT_LT(offsets[0], offset_of(IMAGE_STREAMS, "appctx_finalize_startup"));
}

TEST(StreamPoints, are_not_placed_at_all_where_a_function_is_missing) {
  EXPECT_THAT(why_not(IMAGE_STREAMS_WITHOUT_ATTACH), HasSubstr("sc_attach_mux: not in this file"));
}

TEST(StreamPoints, are_not_placed_at_all_where_a_call_was_inlined) {
  EXPECT_THAT(why_not(IMAGE_STREAMS_INLINED), HasSubstr("sc_new_from_strm: its calls were not found"));
}

TEST(StreamPoints, are_not_placed_at_all_where_a_result_goes_elsewhere) {
  EXPECT_THAT(why_not(IMAGE_STREAMS_TAIL_JUMP), HasSubstr("sc_new_from_strm: the result of a tail jump"));
}

TEST(StreamPoints, are_for_every_haproxy_and_for_nginx_on_demand) {
  EXPECT_EQ(stream_witness_of("haproxy"), StreamWitness::kAlways);
  EXPECT_EQ(stream_witness_of("nginx"), StreamWitness::kOnDemand);
  EXPECT_EQ(stream_witness_of(""), StreamWitness::kNone);
}

TEST(StreamPoints, of_an_installed_haproxy_are_all_there_and_cheap) {
  if (access(kHaproxy, R_OK) != 0) GTEST_SKIP() << kHaproxy << " is missing";
  const auto points = points_of(kHaproxy);
  std::set<StreamPurpose> purposes;
  for (const StreamPoint& point : points) {
    purposes.insert(point.purpose);
    EXPECT_TRUE(point.emulated) << point.symbol;
  }
  EXPECT_EQ(purposes.size(), 7u);
}

TEST(StreamPoints, of_an_installed_nginx_are_all_there_and_cheap) {
  if (access(kNginx, R_OK) != 0) GTEST_SKIP() << kNginx << " is missing";
  const auto points = find_stream_points("nginx", kNginx);
  ASSERT_TRUE(points) << points.error().message;
  EXPECT_EQ(points->size(), 3u);
  for (const StreamPoint& point : *points) EXPECT_TRUE(point.emulated) << point.symbol;
}

}  // namespace
}  // namespace mtlswatch
