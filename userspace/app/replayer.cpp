// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/replayer.h"

#include <fmt/format.h>
#include <mtlswatch/event.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <optional>

#include "userspace/app/config_loader.h"
#include "userspace/app/pipeline.h"
#include "userspace/ring/recorded_process.h"
#include "userspace/ring/recording.h"
#include "userspace/sink/json_lines_sink.h"

namespace mtlswatch {
namespace {

constexpr int kFinishMs = 10'000;

/// header -> configuration -> records, facts and ticks, in the order they were written.
class Replayer {
 public:
  Status handle(const Frame& frame);
  Status finish();

 private:
  Status on_header(const Frame& frame);
  Status on_config(const Frame& frame);
  Status on_input(const Frame& frame);

  std::optional<RecordingHeader> header_;
  HostAddresses addresses_;
  std::optional<JsonLinesSink> sink_;
  std::unique_ptr<Pipeline> pipeline_;
  std::uint64_t now_ns_ = 0;
};

Status Replayer::handle(const Frame& frame) {
  if (frame.type == FrameType::kHeader) return on_header(frame);
  if (!header_) return Error{"the recording has no header"};
  if (frame.type == FrameType::kConfig) return on_config(frame);
  if (!pipeline_) return Error{"the recording has no configuration"};
  return on_input(frame);
}

Status Replayer::on_header(const Frame& frame) {
  auto header = decode_header(frame.payload);
  if (!header) return header.error();
  if (header->contract_version != MTLSWATCH_CONTRACT_VERSION) {
    return Error{fmt::format("its kernel records are of version {}, this program reads version {}",
                             header->contract_version, MTLSWATCH_CONTRACT_VERSION)};
  }
  for (const std::string& text : header->addresses) {
    auto address = parse_ip(text);
    if (!address) return address.error();
    addresses_.local.push_back(*address);
  }
  header_ = std::move(*header);
  return Done{};
}

Status Replayer::on_config(const Frame& frame) {
  auto config = parse_config({frame.payload.begin(), frame.payload.end()}, "recorded configuration");
  if (!config) return config.error();
  if (pipeline_) {  // the agent was told to read it again
    pipeline_->reconfigure(*config);
    return Done{};
  }
  SinkContext context;
  context.agent_version = header_->version;
  context.agent_id = header_->host_id;
  context.host_name = header_->host;
  context.host_id = header_->host_id;
  context.boot_id = header_->boot_id;
  context.kernel_release = header_->kernel;
  context.utc_minus_boottime_ns.set(header_->boot_to_utc_ns);
  context.write_query = config->write_query;
  auto sink = JsonLinesSink::open(OutputConfig{}, context);
  if (!sink) return sink.error();
  sink_.emplace(std::move(*sink));
  pipeline_ = std::make_unique<Pipeline>(*config, addresses_, context.utc_minus_boottime_ns, [this](Report& report) {
    if (const Status status = sink_->write(report); !status) spdlog::debug("{}", status.error().message);
  });
  return Done{};
}

Status Replayer::on_input(const Frame& frame) {
  if (frame.type == FrameType::kProcess) {
    const auto facts = decode_process(frame.payload);
    if (!facts) return facts.error();
    pipeline_->process(*facts);
  } else if (frame.type == FrameType::kRecord) {
    pipeline_->record(frame.payload);
  } else {
    const auto now_ns = decode_tick(frame.payload);
    if (!now_ns) return now_ns.error();
    now_ns_ = *now_ns;
    pipeline_->tick(now_ns_);
    return sink_->flush();
  }
  return Done{};
}

Status Replayer::finish() {
  if (!pipeline_) return Error{"the recording holds no input"};
  pipeline_->finish(now_ns_);
  return sink_->finish(kFinishMs);
}

}  // namespace

Status replay_recording(const std::string& file) {
  auto reader = RecordingReader::open(file);
  if (!reader) return reader.error();
  Replayer replayer;
  for (;;) {
    auto frame = reader->next();
    if (!frame) return frame.error();
    if (!*frame) break;
    if (const Status status = replayer.handle(**frame); !status) {
      return status.error().in(fmt::format("{} at byte {}", file, (*frame)->offset));
    }
  }
  if (reader->cut()) spdlog::warn("{}: the last frame is cut; what came before it was replayed", file);
  if (const Status status = replayer.finish(); !status) return status.error().in(file);
  return Done{};
}

}  // namespace mtlswatch
