// SPDX-License-Identifier: Apache-2.0
// How much each program asks of the verifier, against what was recorded: loading is nearly all of the agent's start, and a
// million instructions is where a kernel refuses.
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <sys/utsname.h>

#include <fstream>
#include <map>
#include <string>

#include "tests/bpf/live_kernel.h"
#include "userspace/base/unique_fd.h"

namespace mtlswatch::test {
namespace {

using Counts = std::map<std::string, std::uint64_t>;

Counts recorded() {
  Counts counts;
  std::ifstream file(MTLSWATCH_VERIFIED_INSTRUCTIONS);
  std::string line;
  std::getline(file, line);
  for (std::string name; file >> name;) file >> counts[name];
  return counts;
}

/// Of all programs that are loaded now.
Counts verified() {
  Counts counts;
  for (std::uint32_t id = 0; bpf_prog_get_next_id(id, &id) == 0;) {
    const UniqueFd program(bpf_prog_get_fd_by_id(id));
    bpf_prog_info info{};
    std::uint32_t size = sizeof info;
    if (program && bpf_obj_get_info_by_fd(program.get(), &info, &size) == 0) counts[info.name] = info.verified_insns;
  }
  return counts;
}

using Verifier = LiveKernel;

TEST_F(Verifier, looks_at_no_more_instructions_than_recorded) {
  utsname system{};
  uname(&system);
  if (!std::string(system.release).starts_with("6.18.")) GTEST_SKIP() << "recorded on Linux 6.18, this is " << system.release;
  const Counts now = verified(), before = recorded();
  ASSERT_FALSE(before.empty());
  for (const auto& [name, count] : before) {
    ASSERT_TRUE(now.contains(name)) << name;
    EXPECT_LE(now.at(name), count + count / 4 + 100) << name;
  }
}

}  // namespace
}  // namespace mtlswatch::test
