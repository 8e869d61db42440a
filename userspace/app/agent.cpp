// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/agent.h"

#include <fmt/format.h>
#include <mtlswatch/event.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "userspace/app/config_loader.h"
#include "userspace/app/host.h"
#include "userspace/base/event_id.h"
#include "userspace/decode/record_events.h"
#include "userspace/ring/recorded_process.h"

namespace mtlswatch {
namespace {

constexpr std::uint64_t kMillisecondNs = 1'000'000;
constexpr std::uint64_t kDrainNs = 10 * kMillisecondNs;
constexpr std::uint64_t kIdleTickNs = 100 * kMillisecondNs;
constexpr std::uint64_t kAfterListenNs = 20 * kMillisecondNs;
constexpr std::uint64_t kAfterExecNs = 1'000 * kMillisecondNs;
constexpr std::uint64_t kBetweenScansNs = 250 * kMillisecondNs;
constexpr std::uint64_t kRegularScanNs = 10'000 * kMillisecondNs;
constexpr int kFinishMs = 2000;

template <typename T>
const T* as(std::span<const std::uint8_t> bytes) {
  return bytes.size() >= sizeof(T) ? reinterpret_cast<const T*>(bytes.data()) : nullptr;
}

}  // namespace

Agent::Agent(const AgentOptions& options, Kernel kernel, bool return_probes_are_safe)
    : config_(options.config),
      kernel_(std::move(kernel)),
      watcher_(options.config, kernel_, return_probes_are_safe),
      context_(host_context()),
      addresses_(host_addresses()),
      pipeline_(options.config, addresses_, context_.utc_minus_boottime_ns, [this](Report& report) { on_report(report); }),
      introspection_({config_, kernel_, watcher_, pipeline_}, context_, return_probes_are_safe),
      scrubber_(decoder_config(options.config)) {
  source_ = options.source;
  context_.write_query = options.config.write_query;
}

Result<std::unique_ptr<Agent>> Agent::start(const AgentOptions& options, Kernel kernel, bool return_probes_are_safe) {
  std::unique_ptr<Agent> agent(new Agent(options, std::move(kernel), return_probes_are_safe));
  for (const auto step : {&Agent::watch_pods, &Agent::open_outputs, &Agent::begin_recording}) {
    if (const Status status = (agent.get()->*step)(options); !status) return status.error();
  }
  if (const Status status = agent->open_loop(); !status) return status.error();
  if (const Status status = agent->kernel_.attach(); !status) return status.error();
  if (const Status status = agent->scan(); !status) return status.error();
  if (const Status status = agent->open_introspection(); !status) return status.error();
  return agent;
}

Status Agent::open_outputs(const AgentOptions& options) {
  auto outputs = Outputs::open(options.config, context_);
  if (!outputs) return outputs.error();
  outputs_.emplace(std::move(*outputs));
  return Done{};
}

Status Agent::begin_recording(const AgentOptions& options) {
  if (options.recording.empty()) return Done{};
  auto writer = RecordingWriter::create(options.recording);
  if (!writer) return writer.error();
  recording_.emplace(std::move(*writer));
  RecordingHeader header;
  header.version = context_.agent_version;
  header.contract_version = MTLSWATCH_CONTRACT_VERSION;
  header.boot_to_utc_ns = context_.utc_minus_boottime_ns;
  header.host = context_.host_name;
  header.host_id = context_.host_id;
  header.boot_id = context_.boot_id;
  header.kernel = context_.kernel_release;
  for (const IpAddress& address : addresses_.local) header.addresses.push_back(address.text());
  if (const Status status = recording_->write(FrameType::kHeader, encode_header(header)); !status) return status;
  return recording_->write(FrameType::kConfig, effective_config(options.config));
}

Status Agent::open_loop() {
  auto ring = RingReader::open(kernel_.ring_fd(), [this](std::span<const std::uint8_t> bytes) { on_record(bytes); });
  if (!ring) return ring.error();
  ring_.emplace(std::move(*ring));
  sigset_t handled;
  sigemptyset(&handled);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) sigaddset(&handled, number);
  sigprocmask(SIG_BLOCK, &handled, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  signals_ = UniqueFd(signalfd(-1, &handled, SFD_CLOEXEC | SFD_NONBLOCK));
  timer_ = UniqueFd(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  epoll_ = UniqueFd(epoll_create1(EPOLL_CLOEXEC));
  if (!signals_ || !timer_ || !epoll_) return system_error("open the event loop", errno);
  const itimerspec every{{0, static_cast<long>(kDrainNs)}, {0, static_cast<long>(kDrainNs)}};
  timerfd_settime(timer_.get(), 0, &every, nullptr);
  for (const int fd : {signals_.get(), timer_.get(), ring_->fd()}) {
    epoll_event event{EPOLLIN, {.fd = fd}};
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return system_error("watch the event loop", errno);
  }
  return Done{};
}

Status Agent::open_introspection() {
  if (const Status status = introspection_.open(); !status) return status;
  if (introspection_.fd() < 0) return Done{};
  epoll_event event{EPOLLIN, {.fd = introspection_.fd()}};
  const int added = epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, introspection_.fd(), &event);
  return added == 0 ? Status(Done{}) : system_error("watch the admin socket", errno);
}

Status Agent::run() {
  const std::string watching = fmt::format("watching {} processes", watcher_.processes().size());
  announce("agent-ready", watching);
  if (const Status status = outputs_->flush(); !status) return status;
  service_manager_.ready(watching);
  for (bool stop = false; !stop;) {
    epoll_event events[4];
    const int count = epoll_wait(epoll_.get(), events, 4, -1);
    if (count < 0 && errno != EINTR) return system_error("epoll_wait", errno);
    for (int i = 0; i < count; ++i) {
      if (events[i].data.fd == signals_.get()) {
        if (const Status status = handle_signal(stop); !status) return status;
      }
      if (events[i].data.fd == introspection_.fd()) introspection_.serve(boottime_ns());
      std::uint64_t expirations = 0;
      if (events[i].data.fd == timer_.get() && ::read(timer_.get(), &expirations, sizeof expirations) < 0) continue;
    }
    if (const Status status = turn(boottime_ns()); !status) return status;
  }
  service_manager_.stopping();
  if (const Status status = ring_->drain(); !status) return status;
  const std::uint64_t now_ns = boottime_ns();
  give_tick(now_ns);
  pipeline_.finish(now_ns);
  look_into(now_ns, true);
  announce("agent-stopping", "stopping on request");
  outputs_->finish(kFinishMs);
  return recording_ ? recording_->flush() : Status(Done{});
}

Status Agent::turn(std::uint64_t now_ns) {
  drained_any_ = false;
  follow_wall_clock(context_.utc_minus_boottime_ns);
  take_pods(now_ns);
  if (const Status status = ring_->drain(); !status) return status;
  if (drained_any_ || now_ns >= last_tick_ns_ + kIdleTickNs) give_tick(now_ns);
  if (now_ns >= last_scan_ns_ + kRegularScanNs) want_scan(now_ns);
  if (next_scan_ns_ != 0 && now_ns >= std::max(next_scan_ns_, last_scan_ns_ + kBetweenScansNs)) {
    if (const Status status = scan(); !status) spdlog::warn("look for processes: {}", status.error().message);
  }
  look_into(now_ns, false);
  spare_memory_.turn(now_ns);
  service_manager_.keep_alive(now_ns);
  return outputs_->flush();
}

void Agent::publish(std::uint64_t now_ns) {
  introspection_.publish(now_ns, outputs_->status(), *ring_);
}

void Agent::look_into(std::uint64_t now_ns, bool is_last) {
  if (introspection_.turn(now_ns)) publish(now_ns);
  for (auto& due : {outputs_->loss(now_ns, is_last), introspection_.identity_summary(now_ns, is_last), coverage_.turn(now_ns)}) {
    if (!due) continue;
    Report report(*due);
    on_report(report);
  }
}

Status Agent::handle_signal(bool& stop) {
  signalfd_siginfo info{};
  if (::read(signals_.get(), &info, sizeof info) != sizeof info) return Done{};
  if (info.ssi_signo == SIGHUP) {
    reload();
    return Done{};
  }
  if (info.ssi_signo == SIGUSR1) {
    outputs_->reopen();
    return Done{};
  }
  spdlog::info("signal {}: stopping", info.ssi_signo);
  stop = true;
  return Done{};
}

void Agent::on_record(std::span<const std::uint8_t> bytes) {
  drained_any_ = true;
  const auto* header = as<mtlswatch_header>(bytes);
  if (!header) return;
  const auto* connection = header->kind == MTLSWATCH_KIND_CONNECTION ? as<mtlswatch_connection>(bytes) : nullptr;
  if (connection) learn_of(*connection);
  const bool was_known = pipeline_.correlator().processes().is_known(header->pid);
  give_record(bytes);
  if (watcher_.is_news_of_a_library(bytes)) want_scan(header->time_ns);
  const auto* process = header->kind == MTLSWATCH_KIND_PROCESS ? as<mtlswatch_process>(bytes) : nullptr;
  if (!process) return;
  const bool is_new_worker = process->change == MTLSWATCH_PROCESS_FORK && (process->observed & MTLSWATCH_OBSERVED_BACKEND);
  watcher_.note(*process);
  if (is_new_worker || process->change == MTLSWATCH_PROCESS_LISTEN) want_scan(header->time_ns + kAfterListenNs);
  if (process->change != MTLSWATCH_PROCESS_EXEC) return;
  want_scan(header->time_ns + (process->observed ? kAfterListenNs : kAfterExecNs));
  if (!was_known) return;
  if (const auto facts = watcher_.examine(header->pid)) give_process(*facts);
}

// Who connects to Django may be gone in a moment: its /proc facts are read at once. So are those of who has just begun to listen.
void Agent::learn_of(const mtlswatch_connection& connection) {
  for (const std::uint32_t pid : {connection.header.pid, connection.peer_pid}) {
    const bool is_news = pid != 0 && (watcher_.has_new_listeners() || !pipeline_.correlator().processes().is_known(pid));
    const auto facts = is_news ? watcher_.examine(pid) : std::nullopt;
    if (facts) give_process(*facts);
    if (facts && !facts->listeners.empty()) want_scan(connection.header.time_ns);  // marks the clients it has already
  }
}

void Agent::keep(FrameType type, std::span<const std::uint8_t> payload) {
  if (const Status status = recording_->write(type, payload); !status) spdlog::error("{}", status.error().message);
}

void Agent::give_process(const ProcessFacts& facts) {
  spdlog::debug("process {} {} ({}): backend \"{}\", front {}: {}", facts.pid, facts.name, facts.executable, facts.backend,
                facts.front, facts.front_reason);
  if (recording_) keep(FrameType::kProcess, encode_process(facts));
  pipeline_.process(facts);
}

void Agent::give_record(std::span<const std::uint8_t> bytes) {
  if (recording_) {
    scrubbed_.assign(bytes.begin(), bytes.end());
    scrubber_.scrub(scrubbed_);
    keep(FrameType::kRecord, scrubbed_);
  }
  pipeline_.record(bytes);
}

/// The next record tells of those that were lost before it; but none may come. Then one that says nothing else tells.
void Agent::give_losses(std::uint64_t now_ns) {
  const std::uint64_t lost = kernel_.records_lost();
  if (lost == std::exchange(lost_told_, lost)) return;
  const mtlswatch_connection record = record_of_losses(now_ns, lost);
  give_record({reinterpret_cast<const std::uint8_t*>(&record), sizeof record});
}

void Agent::give_tick(std::uint64_t now_ns) {
  give_losses(now_ns);
  last_tick_ns_ = now_ns;
  if (recording_) keep(FrameType::kTick, encode_tick(now_ns));
  pipeline_.tick(now_ns);
  if (watcher_.want(pipeline_.correlator().in_need_of_witness(), pipeline_.correlator().in_need_of_content())) want_scan(now_ns);
}

void Agent::on_report(Report& report) {
  outputs_->write(report);
  introspection_.take(report, boottime_ns());
}

void Agent::want_scan(std::uint64_t due_ns) {
  next_scan_ns_ = next_scan_ns_ == 0 ? due_ns : std::min(next_scan_ns_, due_ns);
}

Status Agent::scan() {
  last_scan_ns_ = boottime_ns();
  next_scan_ns_ = 0;
  std::optional<Result<Watcher::News>> scanned;
  ring_->drain_beside([&] { scanned = watcher_.scan(); });
  if (!*scanned) return scanned->error();
  const Watcher::News& news = **scanned;
  for (const ProcessFacts& facts : news.processes) give_process(facts);
  constexpr std::size_t kSize = sizeof(mtlswatch_connection);
  for (std::span<const std::uint8_t> rest(news.connection_records); rest.size() >= kSize; rest = rest.subspan(kSize)) {
    const auto record = rest.first(kSize);
    learn_of(*as<mtlswatch_connection>(record));
    give_record(record);
  }
  return Done{};
}

void Agent::announce(const char* action, std::string message) {
  AgentReport life;
  life.time_ns = boottime_ns();
  life.event_id = event_id(life.time_ns, static_cast<std::uint64_t>(getpid()), 0);
  life.action = action;
  life.message = std::move(message);
  for (const auto& [pid, facts] : watcher_.processes()) life.processes.push_back(facts);
  spdlog::info("{}: {}", life.action, life.message);
  Report report(std::move(life));
  on_report(report);
}

}  // namespace mtlswatch
