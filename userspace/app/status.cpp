// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/status.h"

#include <fmt/format.h>
#include <mtlswatch/event.h>

#include <algorithm>
#include <array>
#include <numeric>

namespace mtlswatch {
namespace {

// By enum mtlswatch_kind. Listeners come from an iterator, never through the ring.
constexpr std::array kRecordNames = {"unknown", "connection", "io", "close", "handshake", "certificate", "process", "listener",
                                     "session", "stream", "content"};
static_assert(kRecordNames.size() == MTLSWATCH_KIND_COUNT);
constexpr std::array kFailureNames = {"connection_state", "thread_state", "read_data", "read_certificate",
                                      "observe_process",  "session",      "keep_stream", "find_caller"};
constexpr std::size_t kLibraryNames = 16;

/// first: the number of names[0].
template <std::size_t size>
NamedCounts name_counts(const std::vector<std::uint64_t>& counts, const std::array<const char*, size>& names, std::size_t first) {
  NamedCounts named;
  for (std::size_t i = first; i < counts.size(); ++i) {
    named.emplace_back(i - first < size ? names[i - first] : fmt::format("number_{}", i), counts[i]);
  }
  return named;
}

std::uint64_t sum(const std::vector<std::uint64_t>& counts) {
  return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

void count_processes(const Watcher& watcher, AgentStatus& status) {
  for (const char* role : {"backend", "front", "server"}) {
    for (const char* coverage : {"attached", "partly", "blind", "none"}) status.processes[{role, coverage}] = 0;
  }
  for (const auto& [pid, facts] : watcher.processes()) {
    const char* role = !facts.backend.empty() ? "backend" : facts.front ? "front" : "server";
    ++status.processes[{role, facts.tls_coverage.empty() ? "none" : facts.tls_coverage}];
  }
}

/// A library's name is what its file says: only the usual one becomes a label.
std::string library_label(const std::string& name, const AgentStatus& status) {
  const bool is_usual = name.starts_with("libssl.so.") && name.size() < 20 &&
                        name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.") == std::string::npos;
  return is_usual && status.libraries.size() < kLibraryNames ? name : "other";
}

void count_libraries(const Watcher& watcher, AgentStatus& status) {
  for (const LibraryCoverage& library : watcher.libraries().coverage()) {
    const bool is_analysed = !library.probes.empty();
    const std::string state = library.state != "blind" ? library.state : is_analysed ? "failed" : "unsupported";
    ++status.libraries[{library_label(library.name, status), state}];
  }
  for (const char* state : {"attached", "partly", "failed", "unsupported"}) status.libraries.try_emplace({"other", state}, 0);
}

std::vector<RecordCounts> count_records(const KernelCounters& kernel, const DecoderCounters& decoder,
                                        const std::vector<std::uint64_t>& handed_over) {
  std::vector<RecordCounts> counts;
  for (std::size_t kind = 1; kind < std::min(handed_over.size(), kRecordNames.size()); ++kind) {
    const std::uint64_t malformed = std::min(decoder.malformed_by_kind[kind], handed_over[kind]);
    counts.push_back({kRecordNames[kind], kernel.submitted[kind] + kernel.dropped[kind], handed_over[kind] - malformed,
                      kernel.dropped[kind], malformed});
  }
  return counts;
}

}  // namespace

AgentStatus gather_status(const StatusSources& sources, const std::vector<std::uint64_t>& handed_over) {
  AgentStatus status;
  status.version = MTLSWATCH_VERSION;
  const KernelCounters kernel = sources.kernel.counters();
  const DecoderCounters decoder = sources.pipeline.decoder().counters();
  const Correlator& correlator = sources.pipeline.correlator();
  status.records = count_records(kernel, decoder, handed_over);
  status.kernel_failures = name_counts(kernel.failures, kFailureNames, 0);
  status.lost = {{"ringbuf", sum(kernel.dropped)},
                 {"decode", decoder.records_malformed + decoder.certificates_incomplete},
                 {"correlate", decoder.connections_evicted + correlator.connections_evicted()}};
  status.tables = {{"connections", correlator.connections(), sources.config.limits.connections, correlator.connections_evicted()},
                   {"sessions", correlator.sessions(), SessionCache::kSessions, correlator.sessions_evicted()},
                   {"exchanges", correlator.exchanges(), sources.config.limits.exchanges, 0}};
  status.maps = sources.kernel.map_fill();
  count_processes(sources.watcher, status);
  count_libraries(sources.watcher, status);
  return status;
}

}  // namespace mtlswatch
