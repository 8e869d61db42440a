// SPDX-License-Identifier: Apache-2.0
// Attaches empty programs where the agent has its own: bench_empty_hooks < PLACES, a line a uprobe: OFFSET entry|return PATH.
// Says "ready" and stays until SIGTERM.
#include <signal.h>

#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include "empty_hooks.skel.h"
#include "userspace/probe/uprobe_link.h"

namespace {

using namespace mtlswatch;

int fail(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  return 1;
}

}  // namespace

int main() {
  const auto features = try_kernel_features();
  if (!features) return fail(features.error().message);
  empty_hooks_bpf* object = empty_hooks_bpf__open();
  if (object == nullptr) return fail("open the programs");
  if (features->uprobes == UprobePath::kMultiLink) bpf_program__set_expected_attach_type(object->progs.empty_uprobe, kUprobeMulti);
  bpf_program__set_autoattach(object->progs.empty_uprobe, false);
  if (empty_hooks_bpf__load(object) != 0 || empty_hooks_bpf__attach(object) != 0) return fail("load and attach the programs");
  std::vector<Uprobe> uprobes;
  std::uint64_t offset = 0;
  for (std::string where, path; std::cin >> offset >> where && std::getline(std::cin >> std::ws, path);) {
    auto uprobe = Uprobe::place(features->uprobes, object->progs.empty_uprobe, {.path = path.c_str(), .file_offset = offset, .at_return = where == "return"});
    if (!uprobe) return fail(path + ": " + uprobe.error().message);
    uprobes.push_back(std::move(*uprobe));
  }
  std::puts("ready");
  std::fflush(stdout);
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigprocmask(SIG_BLOCK, &ending, nullptr);
  int number = 0;
  sigwait(&ending, &number);
  uprobes.clear();
  empty_hooks_bpf__destroy(object);
  return 0;
}
