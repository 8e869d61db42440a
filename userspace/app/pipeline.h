// SPDX-License-Identifier: Apache-2.0
// The data path, in one place: decode -> correlate -> policy -> reports, and what the rules make of them. Live and replayed input are the same three
// calls, so a recording gives what the host gave.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "userspace/base/utc_clock.h"
#include "userspace/correlate/correlator.h"
#include "userspace/decode/decoder.h"
#include "userspace/model/config.h"
#include "userspace/model/verdict.h"
#include "userspace/policy/client_ca.h"
#include "userspace/policy/judge.h"
#include "userspace/policy/rules_engine.h"

namespace mtlswatch {

/// What decoder and scrubber must agree on.
DecoderConfig decoder_config(const Config& config);

class Pipeline {
 public:
  /// The report is the receiver's: it may keep it by moving it.
  using OnReport = std::function<void(Report&)>;

  /// utc_minus_boottime_ns: for what is said in calendar time, the ends of certificates and exemptions.
  Pipeline(const Config& config, HostAddresses addresses, UtcClock utc_minus_boottime_ns, OnReport on_report);

  /// Takes over what may change while it runs: policy, exemptions, rules, which requests are written.
  void reconfigure(const Config& config);

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
  void handle(Event&& event);
  void report(SettledExchange exchange);
  void report_loss(const RecordsLost& loss);
  /// Hands it on, then whatever alerts the rules make of it.
  template <typename T>
  void hand_on(T report);
  void hand_on_alerts();

  OnReport on_report_;
  Decoder decoder_;
  Correlator correlator_;
  Config config_;
  UtcClock utc_minus_boottime_ns_;
  Judge judge_;
  ClientCas client_cas_;
  RuleEngine rules_;
  std::vector<AlertReport> alerts_;
  std::vector<Event> events_;
  Findings findings_;
  std::uint64_t lost_ = 0;           ///< not reported yet
  std::uint64_t loss_reported_ns_ = 0;
  std::uint64_t loss_from_ns_ = 0;
};

}  // namespace mtlswatch
