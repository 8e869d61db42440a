// SPDX-License-Identifier: Apache-2.0
// All outputs of the agent, opened, written to and ended together. Used on the event loop's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "userspace/model/config.h"
#include "userspace/sink/ecs_json.h"
#include "userspace/sink/sink.h"

namespace mtlswatch {

class Outputs {
 public:
  /// All or none. No outputs configured: JSON lines of everything to standard output.
  static Result<Outputs> open(const Config& config, const SinkContext& context);

  void write(const Report& report);
  /// The only error: standard output's reader has gone.
  Status flush();
  /// Ends all side by side, within about timeout_ms together. Losses are logged.
  void finish(int timeout_ms);
  /// For log rotation. What cannot be opened anew stays as it was, and is logged.
  void reopen();

  /// What the outputs lost since the last time it was told, as an agent-loss event: every ten seconds, or is_last.
  std::optional<AgentReport> loss(std::uint64_t now_ns, bool is_last);

  std::vector<OutputStatus> status() const;
  /// event.sequence of the last report: where outputs that take over go on.
  std::uint64_t sequence() const { return sequence_; }

 private:
  struct Output {
    std::string name;  ///< "webhook_2"
    std::unique_ptr<Sink> sink;
    std::uint64_t lost_told = 0;
  };
  std::vector<Output> outputs_;
  std::uint64_t told_ns_ = 0;
  std::uint64_t sequence_ = 0;
};

}  // namespace mtlswatch
