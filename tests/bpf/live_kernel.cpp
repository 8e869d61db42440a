// SPDX-License-Identifier: Apache-2.0
#include "tests/bpf/live_kernel.h"

#include <algorithm>

namespace mtlswatch::test {

void LiveKernel::SetUp() {
  Result<Kernel> loaded = Kernel::load({});
  ASSERT_TRUE(loaded) << loaded.error().message;
  kernel_.emplace(std::move(*loaded));
  const Status attached = kernel_->attach();
  ASSERT_TRUE(attached) << attached.error().message;
  ring_.emplace(kernel_->ring_fd());
}

void LiveKernel::observe(const Child& child, std::uint32_t flags) {
  const Status observing = kernel_->observe(static_cast<std::uint32_t>(child.pid()), flags);
  ASSERT_TRUE(observing) << observing.error().message;
}

Records LiveKernel::run_observed(Child& child, std::uint32_t flags) {
  observe(child, flags);
  EXPECT_TRUE(child.run()) << "the child failed";
  return records_of(child.pid());
}

Records LiveKernel::records_of(pid_t pid) {
  Records records;
  for (const Record& record : ring_->drain()) {
    if (record.header().pid == static_cast<std::uint32_t>(pid)) records.push_back(record);
  }
  return records;
}

Records of_kind(const Records& records, mtlswatch_kind kind) {
  Records found;
  std::copy_if(records.begin(), records.end(), std::back_inserter(found),
               [&](const Record& record) { return record.kind() == static_cast<std::uint32_t>(kind); });
  return found;
}

mtlswatch_connection connection_of(const Records& records, std::uint64_t cookie) {
  Records found;
  for (const Record& record : of_kind(records, MTLSWATCH_KIND_CONNECTION)) {
    if (record.as<mtlswatch_connection>().cookie == cookie) found.push_back(record);
  }
  EXPECT_EQ(found.size(), 1u) << "connection records of one socket";
  return found.empty() ? mtlswatch_connection{} : found[0].as<mtlswatch_connection>();
}

mtlswatch_io only_io_with(const Records& io, std::uint32_t flag) {
  Records found;
  for (const Record& record : io) {
    if (record.as<mtlswatch_io>().flags & flag) found.push_back(record);
  }
  EXPECT_EQ(found.size(), 1u) << "io records with flag " << flag;
  return found.empty() ? mtlswatch_io{} : found[0].as<mtlswatch_io>();
}

std::vector<mtlswatch_io> fields_of(const Records& io) {
  std::vector<mtlswatch_io> fields;
  for (const Record& record : io) fields.push_back(record.as<mtlswatch_io>());
  return fields;
}

}  // namespace mtlswatch::test
