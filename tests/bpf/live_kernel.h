// SPDX-License-Identifier: Apache-2.0
// The real programs, loaded and attached to this kernel for one test. The test plays the agent, its children the
// observed.
#pragma once

#include <gtest/gtest.h>

#include <optional>

#include "tests/bpf/child.h"
#include "tests/bpf/ring_records.h"
#include "tests/bpf/socket_pair.h"
#include "userspace/probe/kernel.h"

namespace mtlswatch::test {

/// As discovery leaves them: judged, and their older sockets marked.
inline constexpr std::uint32_t kBackend = MTLSWATCH_OBSERVED_BACKEND | MTLSWATCH_OBSERVED_SCANNED;
inline constexpr std::uint32_t kServer = MTLSWATCH_OBSERVED_SERVER | MTLSWATCH_OBSERVED_SCANNED;

class LiveKernel : public testing::Test {
 protected:
  void SetUp() override;

  Kernel& kernel() { return *kernel_; }
  void observe(const Child& child, std::uint32_t flags);
  std::uint32_t observed(pid_t pid) const { return kernel_->observed(static_cast<std::uint32_t>(pid)); }
  /// Runs the child's body under observation to its end; the child's records, in order.
  Records run_observed(Child& child, std::uint32_t flags);
  /// Records so far that name this process.
  Records records_of(pid_t pid);
  RingRecords& ring() { return *ring_; }

 private:
  std::optional<Kernel> kernel_;
  std::optional<RingRecords> ring_;
};

/// The records of one kind; of one socket's connection.
Records of_kind(const Records& records, mtlswatch_kind kind);
mtlswatch_connection connection_of(const Records& records, std::uint64_t cookie);
/// The only io record of a connection that has this flag.
mtlswatch_io only_io_with(const Records& io, std::uint32_t flag);
/// Their io structs, for reading.
std::vector<mtlswatch_io> fields_of(const Records& io);

}  // namespace mtlswatch::test
