// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/coverage_reporter.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>

#include "userspace/base/event_id.h"

namespace mtlswatch {
namespace {

/// What makes a new event worth writing: not the number of a worker, not a counter.
std::string summary(const AgentReport& report) {
  std::set<std::string> lines;
  for (const ProcessFacts& process : report.processes) {
    lines.insert(fmt::format("{} {} {} {} {}", process.executable, process.backend, process.front, process.tls_coverage,
                             process.tls_coverage_reason));
  }
  for (const LibraryCoverage& library : report.libraries) {
    lines.insert(fmt::format("{} {} {} {} {} {}", library.path, library.build_id, library.state, library.cannot_see,
                             library.probes.size(), library.seen));
  }
  return fmt::format("{}", fmt::join(lines, "\n"));
}

std::string message(const AgentReport& report) {
  std::set<std::string> blind;
  std::size_t servers = 0;
  for (const ProcessFacts& process : report.processes) {
    servers += !process.tls_coverage.empty();
    if (process.tls_coverage == "blind") blind.insert(process.name);
  }
  std::string text = fmt::format("{} processes with TLS, {} libraries", servers, report.libraries.size());
  if (!blind.empty()) text += fmt::format("; handshakes of {} cannot be seen", fmt::join(blind, ", "));
  return text;
}

}  // namespace

std::optional<AgentReport> CoverageReporter::turn(std::uint64_t now_ns) {
  if (now_ns < looked_ns_ + kLookNs) return std::nullopt;
  looked_ns_ = now_ns;
  check_probes(now_ns);
  AgentReport report;
  report.time_ns = now_ns;
  report.event_id = event_id(now_ns, static_cast<std::uint64_t>(getpid()), ++reports_);
  report.action = "agent-coverage";
  for (const auto& [pid, facts] : watcher_.processes()) report.processes.push_back(facts);
  report.libraries = watcher_.libraries().coverage();
  std::string said = summary(report);
  if (said == reported_ && now_ns < reported_ns_ + kRegularNs) return std::nullopt;
  reported_ = std::move(said);
  reported_ns_ = now_ns;
  report.message = message(report);
  return report;
}

void CoverageReporter::check_probes(std::uint64_t now_ns) {
  if (const auto result = handshake_.poll(); result && checked_) {
    if (*result) watcher_.libraries().expect_hits(*checked_, check_began_ns_);
    if (!*result) spdlog::warn("handshake of our own: {}", result->error().message);
    checked_.reset();
  }
  if (checked_ || (check_began_ns_ != 0 && now_ns < check_began_ns_ + kRegularNs)) return;
  check_began_ns_ = now_ns;
  const std::string path = watcher_.own_library();
  struct stat file {};
  if (path.empty() || ::stat(path.c_str(), &file) != 0) return;
  if (const Status status = handshake_.begin(path); !status) return spdlog::warn("handshake of our own: {}", status.error().message);
  checked_ = FileIdentity{file.st_dev, file.st_ino};
}

}  // namespace mtlswatch
