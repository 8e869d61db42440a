// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/watcher.h"

#include <mtlswatch/event.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "userspace/app/host.h"
#include "userspace/decode/record_events.h"

namespace mtlswatch {
namespace {

// Who listens is read by walking the files of all tasks: not at the pace of somebody who listens and connects in a loop.
constexpr std::uint64_t kBetweenReadsNs = 20'000'000;
constexpr std::uint64_t kReadShare = 10;  ///< nor for more than a tenth of the time
constexpr std::uint32_t kDiscovered = MTLSWATCH_OBSERVED_BACKEND | MTLSWATCH_OBSERVED_SERVER | MTLSWATCH_OBSERVED_CONTENT;
constexpr const char* kContent = "content: no probe of its own, what it reads from its TLS clients is copied, at most 8 KiB a request";

// Debian's, Red Hat's and Alpine's places of libssl.
constexpr const char* kSystemLibraries[] = {
    "/usr/lib/x86_64-linux-gnu/libssl.so.3", "/usr/lib/x86_64-linux-gnu/libssl.so.1.1",
    "/usr/lib64/libssl.so.3",                "/usr/lib64/libssl.so.1.1",
    "/lib/libssl.so.3",                      "/lib/libssl.so.1.1",
};

// HAProxy: a request passes stream_new, sc_new_from_strm and sc_attach_mux; a connection the others. nginx: a request passes
// ngx_http_upstream_init and ngx_event_connect_peer. Measured: emulated 0.8 us a hit.
std::string stream_cost(const std::vector<StreamPoint>& points) {
  const auto dear = std::count_if(points.begin(), points.end(), [](const StreamPoint& point) { return !point.emulated; });
  const auto is_of_nginx = [](const StreamPoint& point) { return point.purpose == StreamPurpose::kPeer; };
  const int hits = std::any_of(points.begin(), points.end(), is_of_nginx) ? 2 : 3;
  return "symbol: " + std::to_string(points.size()) + " probes, " + std::to_string(hits) + " hits a request, " + std::to_string(dear) + " single-stepped";
}

}  // namespace

Result<Watcher::News> Watcher::scan(bool is_dry) {
  if (const Status status = read_listeners(); !status) return status.error();
  std::vector<ProcessFacts> found = discovery_.scan(config_, listeners_);
  std::erase_if(found, [](const ProcessFacts& facts) { return facts.pid == static_cast<std::uint32_t>(getpid()); });  // it listens too
  News news;
  libraries_.begin_scan();
  if (!is_dry) use_system_libraries();
  for (ProcessFacts& facts : found) {
    cover(facts, is_dry);
    if (learn(facts)) news.processes.push_back(facts);
  }
  libraries_.end_scan(boottime_ns());
  std::set<std::uint32_t> alive;
  for (const ProcessFacts& facts : found) alive.insert(facts.pid);
  std::erase_if(known_, [&](const auto& item) { return !alive.contains(item.first); });
  std::erase_if(streams_on_demand_, [&](const auto& item) {
    if (alive.contains(item.first)) return false;
    kernel_.detach_streams(item.first);
    return true;
  });
  if (is_dry) return news;
  forget_uninteresting();  // which makes room
  if (const Status status = observe(found); !status) spdlog::warn("{}: its connections are not seen", status.error().message);
  auto records = mark_older_connections();
  if (!records) return records.error();
  news.connection_records = std::move(*records);
  return news;
}

std::optional<ProcessFacts> Watcher::examine(std::uint32_t pid) {
  if (has_new_listeners()) {
    if (const Status status = read_listeners(); !status) spdlog::warn("read who listens: {}", status.error().message);
  }
  auto facts = discovery_.examine(pid, config_, listeners_);
  if (facts) cover(*facts, false);
  return facts;
}

bool Watcher::has_new_listeners() const { return listeners_are_old_ && boottime_ns() >= listeners_due_ns_; }

void Watcher::note(const mtlswatch_process& change) {
  listeners_are_old_ |= change.change == MTLSWATCH_PROCESS_LISTEN && change.header.time_ns >= listeners_read_ns_;
}

bool Watcher::is_news_of_a_library(std::span<const std::uint8_t> record) const {
  constexpr std::uint8_t kHandshakeRecord = 22;
  if (record.size() < sizeof(mtlswatch_io) + 2) return false;
  const auto& io = *reinterpret_cast<const mtlswatch_io*>(record.data());
  if (io.header.kind != MTLSWATCH_KIND_IO || (io.flags & MTLSWATCH_IO_SEND) != 0 || io.turn != 1) return false;
  const std::uint8_t* data = record.data() + sizeof(mtlswatch_io);
  return io.captured_bytes >= 2 && data[0] == kHandshakeRecord && data[1] == 3 && discovery_.may_have_loaded(io.header.pid);
}

Status Watcher::read_listeners() {
  const std::uint64_t now_ns = boottime_ns();
  const auto bytes = kernel_.read_listeners();
  if (!bytes) return bytes.error();
  listeners_are_old_ = false;
  listeners_read_ns_ = now_ns;
  const std::uint64_t read_ns = boottime_ns();
  listeners_due_ns_ = read_ns + std::max(kBetweenReadsNs, kReadShare * (read_ns - now_ns));
  listeners_.clear();
  constexpr std::size_t kSize = sizeof(mtlswatch_connection);
  for (std::size_t at = 0; at + kSize <= bytes->size(); at += kSize) {
    if (const auto listener = decode_listener({bytes->data() + at, kSize})) listeners_.push_back(*listener);
  }
  return Done{};
}

// Backends first: bytes that a proxy is seen to send, a backend must be seen to receive (the join of Unix sockets that are
// older than the agent rests on it). What finds no room is left out, and the last of it told.
Status Watcher::observe(std::vector<ProcessFacts> found) {
  Status outcome = Done{};
  std::stable_partition(found.begin(), found.end(), [](const ProcessFacts& facts) { return !facts.backend.empty(); });
  for (const ProcessFacts& facts : found) {
    if (facts.backend.empty()) continue;
    for (const Endpoint& listener : facts.listeners) {
      if (listener.is_unix()) continue;
      if (Status status = kernel_.protect_port(listener.port); !status) outcome = std::move(status);
    }
  }
  for (const ProcessFacts& facts : found) {
    const std::uint32_t role = facts.backend.empty() ? MTLSWATCH_OBSERVED_SERVER : MTLSWATCH_OBSERVED_BACKEND;
    const std::uint32_t wanted = role | (facts.stream_witness == kContent ? MTLSWATCH_OBSERVED_CONTENT : 0);
    const std::uint32_t now = kernel_.observed(facts.pid);
    if ((now & kDiscovered) == wanted) continue;
    const std::uint32_t kept = now & (MTLSWATCH_OBSERVED_PEER | MTLSWATCH_OBSERVED_SCANNED);
    if (Status status = kernel_.observe(facts.pid, wanted | kept); !status) outcome = std::move(status);
  }
  return outcome;
}

// A proxy that starts later is probed from its first handshake on, if it uses a library of the system, also one that was
// replaced meanwhile.
void Watcher::use_system_libraries() {
  for (const char* path : kSystemLibraries) {
    struct stat file {};
    if (::stat(path, &file) == 0) libraries_.use({path, file.st_dev, file.st_ino, path}, 0, {}, false);
  }
}

// What began to listen was observed at once, so that nothing of a new proxy was missed; most of it is neither.
void Watcher::forget_uninteresting() {
  for (const std::uint32_t pid : kernel_.observed_pids()) {
    const std::uint32_t flags = kernel_.observed(pid) & ~std::uint32_t{MTLSWATCH_OBSERVED_SCANNED};
    const bool is_gone = !discovery_.processes().find(pid) && kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH;
    if (is_gone || (flags == MTLSWATCH_OBSERVED_LISTENER && !known_.contains(pid))) kernel_.forget(pid);
  }
}

std::string Watcher::own_library() {
  for (const std::string path : kSystemLibraries) {
    if (path.ends_with(".so.3") && ::access(path.c_str(), R_OK) == 0) return path;
  }
  return {};
}

void Watcher::cover(ProcessFacts& facts, bool is_dry) {
  for (const TlsLibrary& library : discovery_.tls_libraries(facts.pid)) {
    std::vector<TlsLibrary> definers;
    if (libraries_.needs_definers(library)) definers = discovery_.crypto_libraries(facts.pid);
    const auto [coverage, reason] = libraries_.use(library, facts.pid, definers, is_dry);
    if (facts.tls_coverage.empty() || facts.tls_coverage == "attached") facts.tls_coverage = coverage;
    if (!reason.empty()) facts.tls_coverage_reason = reason;
  }
  facts.stream_witness = watch_streams(facts, is_dry);
  if (facts.tls_coverage.empty() || facts.tls_coverage == "blind") return;  // handshakes without their certificates mislead
  for (const TlsLibrary& program : discovery_.processes().reader().programs(facts.pid)) libraries_.use_program(program, is_dry);
  if (facts.stream_witness.empty()) facts.stream_witness = watch_content(facts);
}

// One that drives its handshakes by reading, and whose sockets leave it open who asked: its reads are probed anyway.
std::string Watcher::watch_content(const ProcessFacts& facts) {
  if (!wants_content_.contains(facts.pid) || !facts.backend.empty()) return {};
  const auto programs = discovery_.processes().reader().programs(facts.pid);
  const bool shows_reads = std::any_of(programs.begin(), programs.end(), [this](const TlsLibrary& one) { return libraries_.shows_reads(one); });
  return shows_reads ? kContent : "";
}

// A proxy that queues: its own functions are probed, once for each executable. One whose sockets mostly tell: where they do
// not.
std::string Watcher::watch_streams(const ProcessFacts& facts, bool is_dry) {
  const ProcessEntry* entry = discovery_.processes().find(facts.pid);
  const StreamWitness witness = stream_witness_of(facts.known_proxy);
  if (!entry || witness == StreamWitness::kNone) return {};
  if (witness == StreamWitness::kOnDemand) return watch_on_demand(facts, is_dry);
  const auto [known, is_new] = stream_witnesses_.try_emplace(entry->executable);
  if (is_new) known->second = attach_streams(facts, 0, is_dry);
  return known->second;
}

std::string Watcher::watch_on_demand(const ProcessFacts& facts, bool is_dry) {
  if (!wants_streams_.contains(facts.pid)) {
    if (streams_on_demand_.erase(facts.pid) != 0) kernel_.detach_streams(facts.pid);
    return {};
  }
  const auto [known, is_new] = streams_on_demand_.try_emplace(facts.pid);
  if (is_new) known->second = attach_streams(facts, facts.pid, is_dry);
  return known->second;
}

/// Says what came of it, and what it costs.
std::string Watcher::attach_streams(const ProcessFacts& facts, std::uint32_t pid, bool is_dry) {
  const std::string path = discovery_.processes().reader().path(facts.pid, "exe");
  const auto points = find_stream_points(facts.known_proxy, path);
  const Status status = !points ? Status(points.error()) : is_dry ? Status(Done{}) : kernel_.attach_streams(*points, path, pid);
  std::string outcome = status ? stream_cost(*points) : "none: " + status.error().message;
  spdlog::info("{} ({}): witness of its streams: {}", facts.executable, facts.pid, outcome);
  return outcome;
}

bool Watcher::want(std::set<std::uint32_t> streams, std::set<std::uint32_t> content) {
  if (streams == wants_streams_ && content == wants_content_) return false;
  wants_streams_ = std::move(streams);
  wants_content_ = std::move(content);
  return true;
}

Result<std::vector<std::uint8_t>> Watcher::mark_older_connections() {
  std::vector<std::uint32_t> unmarked;
  for (const std::uint32_t pid : kernel_.observed_pids()) {
    if (!(kernel_.observed(pid) & MTLSWATCH_OBSERVED_SCANNED)) unmarked.push_back(pid);
  }
  if (unmarked.empty()) return std::vector<std::uint8_t>{};
  auto records = kernel_.read_older_connections();
  if (!records) return records;
  for (const std::uint32_t pid : unmarked) kernel_.mark_scanned(pid);
  return records;
}

bool Watcher::learn(const ProcessFacts& facts) {
  const auto [entry, is_new] = known_.try_emplace(facts.pid, facts);
  if (is_new) return true;
  if (entry->second == facts) return false;
  entry->second = facts;
  return true;
}

}  // namespace mtlswatch
