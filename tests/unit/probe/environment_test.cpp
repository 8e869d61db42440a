// SPDX-License-Identifier: Apache-2.0
#include "userspace/probe/environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/probe/fake_proc.h"

namespace mtlswatch {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

struct Environment : ::testing::Test {
  FakeProc files;

  Environment() {
    files.put_file("/proc/sys/kernel/osrelease", "6.18.0\n");
    files.put_file("/proc/sys/kernel/perf_event_paranoid", "2\n");
    files.put_file("/proc/self/uid_map", "         0          0 4294967295\n");
    files.put_file("/sys/kernel/btf/vmlinux", "\x9f\xeb\x01");
    files.put_file("/sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
    files.put_file("/sys/bus/event_source/devices/uprobe/type", "8\n");
    capabilities("000001ffffffffff");
  }

  void capabilities(const std::string& mask) {
    files.put_file("/proc/self/status", "Name:\tx\nCapEff:\t" + mask + "\nSeccomp:\t0\n");
  }
  std::vector<EnvironmentCheck> all() { return check_environment({files.on_disk("/proc"), files.on_disk("/sys")}); }
  EnvironmentCheck check(const std::string& name) {
    for (const auto& check : all()) {
      if (check.name == name) return check;
    }
    return {};
  }
};

TEST_F(Environment, finds_nothing_to_complain_about_on_a_good_host) {
  for (const auto& check : all()) {
    EXPECT_TRUE(check.ok) << check.name << ": " << check.detail;
    EXPECT_THAT(check.advice, IsEmpty()) << check.name;
    EXPECT_FALSE(check.fatal) << check.name;
    EXPECT_THAT(check.detail, Not(IsEmpty())) << check.name;
  }
  EXPECT_THAT(check("kernel").detail, HasSubstr("6.18.0"));
}

TEST_F(Environment, says_what_to_do_about_everything_that_is_missing) {
  for (const auto& check : check_environment({"/no/proc", "/no/sys"})) {
    if (check.name == "perf_event_paranoid" || check.name == "lockdown") continue;
    EXPECT_FALSE(check.ok) << check.name;
    EXPECT_TRUE(check.fatal) << check.name;
    EXPECT_THAT(check.advice, ::testing::EndsWith(".")) << check.name;
  }
}

TEST_F(Environment, names_the_missing_capabilities) {
  capabilities("0000000000000000");
  const auto none = check("capabilities");
  EXPECT_FALSE(none.ok);
  EXPECT_TRUE(none.fatal);
  for (const char* name : {"CAP_BPF", "CAP_PERFMON", "CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH"}) {
    EXPECT_THAT(none.advice, HasSubstr(name));
  }
}

TEST_F(Environment, takes_sys_admin_for_what_it_implies) {
  capabilities("0000000000280004");  // DAC_READ_SEARCH, SYS_PTRACE, SYS_ADMIN
  EXPECT_TRUE(check("capabilities").ok);
}

TEST_F(Environment, can_run_without_sys_admin) {
  capabilities("000001c000080004");  // BPF, PERFMON, CHECKPOINT_RESTORE, SYS_PTRACE, DAC_READ_SEARCH
  const auto result = check("capabilities");
  EXPECT_EQ(result.detail, "missing: CAP_SYS_ADMIN");
  EXPECT_FALSE(result.fatal);
}

TEST_F(Environment, gives_up_only_in_lockdowns_strictest_mode) {
  files.put_file("/sys/kernel/security/lockdown", "none integrity [confidentiality]\n");
  EXPECT_TRUE(check("lockdown").fatal);
}

TEST_F(Environment, advises_on_a_high_paranoia_without_failing) {
  files.put_file("/proc/sys/kernel/perf_event_paranoid", "3\n");
  EXPECT_TRUE(check("perf_event_paranoid").ok);
  EXPECT_THAT(check("perf_event_paranoid").advice, HasSubstr("kernel.perf_event_paranoid"));
}

TEST_F(Environment, sees_that_it_runs_in_another_user_namespace) {
  files.put_file("/proc/self/uid_map", "         0     100000      65536\n");
  EXPECT_TRUE(check("user_namespace").fatal);
}

TEST_F(Environment, refuses_a_btf_file_without_btf) {
  files.put_file("/sys/kernel/btf/vmlinux", "nonsense");
  EXPECT_FALSE(check("btf").ok);
}

}  // namespace
}  // namespace mtlswatch
