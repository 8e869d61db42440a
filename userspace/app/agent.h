// SPDX-License-Identifier: Apache-2.0
// The running agent: one event loop on one thread, from the ring to the outputs, with scans in between.
#pragma once

#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "userspace/app/config_loader.h"
#include "userspace/app/coverage_reporter.h"
#include "userspace/app/introspection.h"
#include "userspace/app/outputs.h"
#include "userspace/app/pipeline.h"
#include "userspace/app/service_manager.h"
#include "userspace/app/spare_memory.h"
#include "userspace/app/watcher.h"
#include "userspace/base/result.h"
#include "userspace/base/unique_fd.h"
#include "userspace/decode/scrubber.h"
#include "userspace/kubernetes/pod_watch.h"
#include "userspace/model/config.h"
#include "userspace/probe/kernel.h"
#include "userspace/ring/recording.h"
#include "userspace/ring/ring_reader.h"

namespace mtlswatch {

struct AgentOptions {
  Config config;
  std::string recording;  ///< file to record to; empty: none
  LoadOptions source;     ///< where config was read from, for SIGHUP
};

class Agent {
 public:
  /// Loads, finds, attaches. Errors are of the environment (exit code 4).
  static Result<std::unique_ptr<Agent>> start(const AgentOptions& options, Kernel kernel, bool return_probes_are_safe);
  /// Until SIGTERM or SIGINT, or until standard output's reader has gone.
  Status run();
  const KernelFeatures& features() const { return kernel_.features(); }

 private:
  Agent(const AgentOptions& options, Kernel kernel, bool return_probes_are_safe);
  Status watch_pods(const AgentOptions& options);
  Status open_outputs(const AgentOptions& options);
  Status open_loop();
  Status open_introspection();
  Status begin_recording(const AgentOptions& options);

  void on_record(std::span<const std::uint8_t> bytes);
  void learn_of(const mtlswatch_connection& connection);
  void give_process(const ProcessFacts& facts);
  void keep(FrameType type, std::span<const std::uint8_t> payload);
  void give_record(std::span<const std::uint8_t> bytes);
  void give_losses(std::uint64_t now_ns);
  void give_tick(std::uint64_t now_ns);
  void on_report(Report& report);

  void take_pods(std::uint64_t now_ns);
  Status scan();
  void want_scan(std::uint64_t due_ns);
  Status turn(std::uint64_t now_ns);
  Status handle_signal(bool& stop);
  void reload();
  Status take_over_configuration();
  Status replace_outputs(const Config& config);
  void announce(const char* action, std::string message);
  void publish(std::uint64_t now_ns);
  void look_into(std::uint64_t now_ns, bool is_last);

  Config config_;
  PodDirectory pods_;
  std::unique_ptr<PodWatch> pod_watch_;  ///< null: no API server is asked
  Kernel kernel_;
  Watcher watcher_;
  SinkContext context_;
  HostAddresses addresses_;
  LoadOptions source_;
  std::optional<Outputs> outputs_;
  std::vector<std::future<void>> ending_;  ///< outputs of an earlier configuration
  Pipeline pipeline_;
  Introspection introspection_;
  std::optional<RecordingWriter> recording_;
  Scrubber scrubber_;
  std::vector<std::uint8_t> scrubbed_;
  CoverageReporter coverage_{watcher_};
  ServiceManager service_manager_ = ServiceManager::from_environment();
  std::optional<RingReader> ring_;
  UniqueFd epoll_, timer_, signals_;
  std::uint64_t next_scan_ns_ = 0;  ///< 0: no scan is wanted
  std::uint64_t last_scan_ns_ = 0;
  std::uint64_t last_tick_ns_ = 0;
  SpareMemory spare_memory_;
  std::uint64_t lost_told_ = 0;  ///< of the kernel's count of lost records
  bool drained_any_ = false;
};

}  // namespace mtlswatch
