// SPDX-License-Identifier: Apache-2.0
// The cores of bpf/stream.bpf.h and bpf/request.bpf.h, loaded; each test is one thread of a proxy.
#pragma once

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "stream_cores.skel.h"
#include "tests/bpf/ring_records.h"

namespace mtlswatch::test {

/// Records that the kernel programs write are what a test looks at.
class StreamCores : public testing::Test {
 protected:
  void SetUp() override {
    skeleton_.reset(stream_cores_bpf__open_and_load());
    ASSERT_TRUE(skeleton_);
    ring_.emplace(bpf_map__fd(skeleton_->maps.records));
  }

  void receive(std::uint64_t cookie, std::uint64_t position = 7) { run(skeleton_->progs.run_receive, cookie, position); }
  void name_connecting(std::uint64_t cookie) { run(skeleton_->progs.run_name_connecting, cookie); }
  std::vector<mtlswatch_stream> told() {
    std::vector<mtlswatch_stream> streams;
    for (const Record& record : ring_->take()) {
      EXPECT_EQ(record.kind(), static_cast<std::uint32_t>(MTLSWATCH_KIND_STREAM));
      streams.push_back(record.as<mtlswatch_stream>());
    }
    return streams;
  }
  /// The client in the only record; a failure if there is another number of them.
  std::optional<std::uint64_t> told_client() {
    const auto streams = told();
    EXPECT_EQ(streams.size(), 1u);
    return streams.size() == 1 ? std::optional(streams[0].ingress_cookie) : std::nullopt;
  }

  void run(bpf_program* program, std::uint64_t first, std::uint64_t second = 0, std::uint64_t third = 0) {
    std::array<std::uint64_t, 6> context{first, second, third};
    LIBBPF_OPTS(bpf_test_run_opts, options);
    options.ctx_in = context.data();
    options.ctx_size_in = sizeof context;
    EXPECT_EQ(bpf_prog_test_run_opts(bpf_program__fd(program), &options), 0) << bpf_program__name(program);
  }

  struct Destroy {
    void operator()(stream_cores_bpf* skeleton) const { stream_cores_bpf__destroy(skeleton); }
  };
  std::unique_ptr<stream_cores_bpf, Destroy> skeleton_;
  std::optional<RingRecords> ring_;
};

}  // namespace mtlswatch::test
