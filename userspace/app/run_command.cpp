// SPDX-License-Identifier: Apache-2.0
// run, record, replay.
#include <fmt/format.h>
#include <linux/capability.h>
#include <malloc.h>
#include <mtlswatch/event.h>
#include <spdlog/spdlog.h>

#include <cstdio>

#include "userspace/app/agent.h"
#include "userspace/app/commands.h"
#include "userspace/app/host.h"
#include "userspace/app/inspect_json.h"
#include "userspace/app/replayer.h"
#include "userspace/base/capabilities.h"
#include "userspace/base/system_call_filter.h"
#include "userspace/probe/environment.h"
#include "userspace/probe/return_probe_check.h"

namespace mtlswatch {
namespace {

int fail(ExitCode code, const Error& error) {
  fmt::print(stderr, "mtlswatch: {}\n", error.message);
  return code;
}

// Says everything that is missing at once, so that it can be mended at once.
bool environment_allows() {
  bool allowed = true;
  for (const EnvironmentCheck& check : check_environment()) {
    if (check.ok || !check.fatal) continue;
    allowed = false;
    fmt::print(stderr, "mtlswatch: {}: {}. {}\n", check.name, check.detail, check.advice);
  }
  return allowed;
}

bool return_probes_are_safe(const KernelFeatures& features) {
  const auto verdict = features.return_probes ? check_return_probes({.uprobes = features.uprobes})
                                              : Result<ReturnProbeVerdict>(ReturnProbeVerdict{false, "as --without says"});
  if (verdict && verdict->safe) return true;
  spdlog::warn("return probes are left out, handshakes will stay unknown: {}",
               verdict ? verdict->reason : verdict.error().message);
  return false;
}

/// What the event loop's thread goes on needing: it attaches probes and reads of other processes for life. The right to
/// write anywhere is root's only, for outputs.
void drop_what_is_not_needed(UprobePath uprobes) {
  const bool needs_admin = uprobes == UprobePath::kPerfEvent;
  const Status dropped = keep_capabilities({CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH, CAP_CHECKPOINT_RESTORE,
                                            CAP_DAC_OVERRIDE, needs_admin ? CAP_SYS_ADMIN : CAP_BPF});
  if (!dropped) spdlog::warn("{}", dropped.error().message);
}

/// The other threads too, which are there by now.
void filter_calls(const KernelFeatures& features) {
  const Status filtered = features.seccomp ? filter_system_calls(features.uprobes == UprobePath::kPerfEvent)
                                           : Status(Error{"system calls are not filtered: no seccomp here"});
  if (!filtered) return spdlog::warn("{}", filtered.error().message);
  spdlog::info("system calls are filtered");
}

}  // namespace

int run_agent(const RunOptions& options) {
  const auto config = load_config(options.config);
  if (!config) return fail(kExitConfiguration, config.error());
  if (!environment_allows()) return kExitEnvironment;
  auto kernel = Kernel::load({config->limits.ring_bytes, options.without});
  if (!kernel) return fail(kExitEnvironment, kernel.error());
  const bool safe = return_probes_are_safe(kernel->features());
  spdlog::info("sends and receives by {}; uprobes by {}", text(kernel->features().sockets), text(kernel->features().uprobes));
  drop_what_is_not_needed(kernel->features().uprobes);
  auto agent = Agent::start({*config, options.recording, options.config}, std::move(*kernel), safe);
  malloc_trim(0);  // analysing libraries has left 4 MiB that nobody needs again
  if (!agent) return fail(kExitEnvironment, agent.error());
  filter_calls((*agent)->features());
  const Status status = (*agent)->run();
  return status ? kExitOk : fail(kExitRuntime, status.error());
}

int replay(const std::string& file) {
  const Status status = replay_recording(file);
  return status ? kExitOk : fail(kExitRuntime, status.error());
}

int check_config(const LoadOptions& options, bool print_effective, bool as_json) {
  const auto config = load_config(options);
  const int code = config ? kExitOk : kExitConfiguration;
  if (as_json) {
    fmt::print("{}\n", config_check_json(config, print_effective));
    return code;
  }
  if (!config) {
    fmt::print(stderr, "{}\n", config.error().message);
    return code;
  }
  fmt::print("{}", print_effective ? effective_config(*config) : "the configuration is valid\n");
  return code;
}

int version(bool as_json) {
  fmt::print(fmt::runtime(as_json ? "{{\"version\":\"{}\",\"kernel_contract\":{}}}\n" : "mtlswatch {} (kernel contract {})\n"),
             MTLSWATCH_VERSION, MTLSWATCH_CONTRACT_VERSION);
  return kExitOk;
}

}  // namespace mtlswatch
