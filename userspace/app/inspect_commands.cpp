// SPDX-License-Identifier: Apache-2.0
// doctor and targets: what can be seen here, and how well.
#include <fmt/format.h>

#include <cstdio>

#include "userspace/app/commands.h"
#include "userspace/app/inspect_json.h"
#include "userspace/app/watcher.h"
#include "userspace/probe/environment.h"
#include "userspace/probe/return_probe_check.h"

namespace mtlswatch {
namespace {

std::vector<EnvironmentCheck> all_checks() {
  std::vector<EnvironmentCheck> checks = check_environment();
  const auto verdict = check_return_probes();
  EnvironmentCheck check;
  check.name = "return probes";
  check.ok = verdict && verdict->safe;
  check.detail = verdict ? verdict->reason : verdict.error().message;
  if (!check.ok) check.advice = "Without them handshakes stay unknown; use a kernel that lets seccomp pass uretprobe.";
  checks.push_back(std::move(check));
  return checks;
}

void print_process(const ProcessFacts& facts) {
  const std::string what = !facts.backend.empty() ? "backend " + facts.backend : facts.front ? "front" : "server";
  fmt::print("{:>7}  {:<16} {:<18} {:<9} {}\n", facts.pid, facts.name, what, facts.tls_coverage.empty() ? "-" : facts.tls_coverage,
             facts.executable);
  for (const Endpoint& listener : facts.listeners) fmt::print("{:>9} listens on {}\n", "", listener.text());
  for (const DetectionClue& clue : facts.clues) fmt::print("{:>9} {:+} {}\n", "", clue.score, clue.reason);
  if (!facts.front_reason.empty()) fmt::print("{:>9} {}\n", "", facts.front_reason);
  if (!facts.tls_coverage_reason.empty()) fmt::print("{:>9} TLS: {}\n", "", facts.tls_coverage_reason);
}

void print_library(const LibraryReport& library) {
  fmt::print("\n{}  {}  build-id {}\n", library.display_path, library.plan.version.empty() ? library.plan.name : library.plan.version,
             library.plan.build_id);
  for (const ProbePoint& point : library.plan.points) {
    const bool emulated = point.instruction_class == InstructionClass::kEmulated;
    fmt::print("  {:<28} {:#10x}  {:<14} {}\n", point.symbol, point.file_offset, emulated ? "emulated" : "single-stepped",
               point.disassembly);
  }
  for (const UnplacedSymbol& symbol : library.plan.unplaced) fmt::print("  {:<28} not placed: {}\n", symbol.symbol, symbol.reason);
  if (!library.failure.empty()) fmt::print("  cannot be probed: {}\n", library.failure);
}

int fail(ExitCode code, const Error& error) {
  fmt::print(stderr, "mtlswatch: {}\n", error.message);
  return code;
}

}  // namespace

int doctor(bool as_json) {
  const std::vector<EnvironmentCheck> checks = all_checks();
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

int targets(const LoadOptions& options, bool as_json) {
  const auto config = load_config(options);
  if (!config) return fail(kExitConfiguration, config.error());
  auto kernel = Kernel::load({});
  if (!kernel) return fail(kExitEnvironment, kernel.error());
  Watcher watcher(*config, *kernel, true);
  const auto news = watcher.scan(true);
  if (!news) return fail(kExitRuntime, news.error());
  if (as_json) {
    fmt::print("{}\n", targets_json(watcher.processes(), watcher.libraries()));
    return kExitOk;
  }
  fmt::print("{:>7}  {:<16} {:<18} {:<9} {}\n", "PID", "NAME", "WHAT", "TLS", "EXECUTABLE");
  for (const auto& [pid, facts] : watcher.processes()) print_process(facts);
  for (const LibraryReport& library : watcher.libraries()) print_library(library);
  return kExitOk;
}

}  // namespace mtlswatch
