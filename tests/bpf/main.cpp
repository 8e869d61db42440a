// SPDX-License-Identifier: Apache-2.0
// Runs the tests that load programs into the kernel, or says what this host lacks for them: exit code 77.
#include <bpf/libbpf.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>

namespace {

const char* missing() {
  if (geteuid() != 0) return "needs root to load programs into the kernel";
  if (access("/sys/kernel/btf/vmlinux", R_OK) != 0) return "needs a kernel with BTF: no /sys/kernel/btf/vmlinux";
  return nullptr;
}

int print_warnings(libbpf_print_level level, const char* format, va_list arguments) {
  return level == LIBBPF_WARN ? vfprintf(stderr, format, arguments) : 0;
}

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  libbpf_set_print(print_warnings);
  const char* what = GTEST_FLAG_GET(list_tests) ? nullptr : missing();
  if (!what) return RUN_ALL_TESTS();
  printf("SKIP: %s\n", what);
  return 77;
}
