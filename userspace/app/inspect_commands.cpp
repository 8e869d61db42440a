// SPDX-License-Identifier: Apache-2.0
// doctor and targets: what can be seen here, and how well.
#include <fmt/format.h>

#include <cstdio>
#include <cstring>

#include "userspace/app/ask.h"
#include "userspace/app/commands.h"
#include "userspace/app/inspect_json.h"
#include "userspace/app/targets_text_json.h"
#include "userspace/app/text_table.h"
#include "userspace/app/watcher.h"
#include "userspace/probe/environment.h"
#include "userspace/probe/return_probe_check.h"

namespace mtlswatch {
namespace {

/// The ways that were taken, and what they leave to be wished for.
std::vector<EnvironmentCheck> check_features(const KernelFeatures& features) {
  EnvironmentCheck sockets{"socket_source", features.sockets != SocketSource::kNone, text(features.sockets), "", false};
  sockets.fatal = !sockets.ok;
  if (!sockets.ok) sockets.detail = fmt::format("none: {}", std::strerror(features.refusal));
  if (!sockets.ok) sockets.advice = "Use Linux 6.3, or one whose functions can be traced on exit, and give CAP_BPF and CAP_PERFMON.";
  const char* filter = features.seccomp ? "a running agent can start no program and trace no process" : "none: a running agent may make every call";
  return {sockets, {"uprobe_path", true, text(features.uprobes), "", false}, {"seccomp_filter", true, filter, "", false}};
}

std::vector<EnvironmentCheck> all_checks(const KernelFeatures& features) {
  std::vector<EnvironmentCheck> checks = check_environment({}, features.uprobes);
  for (EnvironmentCheck& check : check_features(features)) checks.push_back(std::move(check));
  const auto verdict = check_return_probes({.uprobes = features.uprobes});
  EnvironmentCheck check;
  check.name = "return probes";
  check.ok = verdict && verdict->safe;
  check.detail = verdict ? verdict->reason : verdict.error().message;
  if (!check.ok) check.advice = "Without them handshakes stay unknown; use a kernel that lets seccomp pass uretprobe.";
  checks.push_back(std::move(check));
  return checks;
}

int fail(ExitCode code, const Error& error) {
  fmt::print(stderr, "mtlswatch: {}\n", error.message);
  return code;
}

int print_targets(const std::string& json, bool as_json) {
  const auto text = as_json ? Result<std::string>(json + "\n") : targets_text(json, may_colour(stdout));
  if (!text) return fail(kExitRuntime, text.error());
  fmt::print("{}", *text);
  return kExitOk;
}

}  // namespace

int doctor(const std::vector<std::string>& without, bool as_json) {
  const auto features = try_kernel_features(without);
  if (!features) return fail(kExitUsage, features.error());
  const std::vector<EnvironmentCheck> checks = all_checks(*features);
  int code = kExitOk;
  for (const EnvironmentCheck& check : checks) {
    if (check.ok) continue;
    if (check.fatal) code = kExitEnvironment;
    if (code == kExitOk) code = kExitDegraded;
  }
  if (as_json) {
    fmt::print("{}\n", checks_json(checks));
    return code;
  }
  for (const EnvironmentCheck& check : checks) {
    fmt::print("{:<7} {:<24} {}\n", check.ok ? "ok" : check.fatal ? "MISSING" : "warning", check.name, check.detail);
    if (!check.ok && !check.advice.empty()) fmt::print("{:<33}{}\n", "", check.advice);
  }
  return code;
}

int targets(const AskOptions& options) {
  const auto answer = ask(options, {.command = "targets", .id = "", .filter = ""});
  if (!answer && !options.socket.empty()) return fail(kExitRuntime, answer.error());
  if (answer) return print_targets(*answer, options.json);
  const auto config = load_config(options.config);
  if (!config) return fail(kExitConfiguration, config.error());
  auto kernel = Kernel::load({});
  if (!kernel) return fail(kExitEnvironment, kernel.error());
  Watcher watcher(*config, *kernel, true);
  const auto news = watcher.scan(true);
  if (!news) return fail(kExitRuntime, news.error());
  return print_targets(targets_json(watcher.processes(), watcher.libraries().coverage(), nullptr), options.json);
}

}  // namespace mtlswatch
