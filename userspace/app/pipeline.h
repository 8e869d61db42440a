// SPDX-License-Identifier: Apache-2.0
// The data path, in one place: decode -> correlate -> policy -> reports. Live and replayed input are the same three
// calls, so a recording gives what the host gave.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <unordered_set>
#include <vector>

#include "userspace/correlate/correlator.h"
#include "userspace/decode/decoder.h"
#include "userspace/model/config.h"
#include "userspace/model/verdict.h"
#include "userspace/policy/judge.h"

namespace mtlswatch {

/// What decoder and scrubber must agree on.
DecoderConfig decoder_config(const Config& config);

class Pipeline {
 public:
  /// The report is the receiver's: it may keep it by moving it.
  using OnReport = std::function<void(Report&)>;

  Pipeline(const Config& config, HostAddresses addresses, OnReport on_report);

  /// One record as the kernel wrote it.
  void record(std::span<const std::uint8_t> bytes);
  /// Facts about a process, before the records that need them.
  void process(const ProcessFacts& facts);
  /// The kernel clock: deadlines are due.
  void tick(std::uint64_t now_ns);
  /// No more input: everything under way is settled with what is known.
  void finish(std::uint64_t now_ns);

  const Correlator& correlator() const { return correlator_; }
  const Decoder& decoder() const { return decoder_; }

 private:
  void handle(const Event& event);
  void emit(Report report);
  void report_loss(const RecordsLost& loss);

  OnReport on_report_;
  Decoder decoder_;
  Correlator correlator_;
  Judge judge_;
  std::unordered_set<std::string> violations_only_;  ///< backends whose authenticated requests are not written
  std::vector<Event> events_;
  Findings findings_;
  std::uint64_t lost_ = 0;           ///< not reported yet
  std::uint64_t loss_reported_ns_ = 0;
  std::uint64_t loss_from_ns_ = 0;
};

}  // namespace mtlswatch
