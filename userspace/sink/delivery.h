// SPDX-License-Identifier: Apache-2.0
// How one kind of peer is given events: the part of an output that may take its time. Called on the courier's thread
// only.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "userspace/model/verdict.h"

namespace mtlswatch {

/// One event, ready to be sent.
struct Message {
  std::string event_id;
  std::string dataset;  ///< "mtlswatch.alert"
  std::string time;     ///< RFC 3339
  std::string json;
  int severity = 6;  ///< of syslog: 2 critical to 6 informational
  std::optional<AlertReport> alert;
};

struct Attempt {
  enum class Result { kDone, kRetry, kRefused } result = Result::kDone;
  std::string error;
};

/// Whether to give up whatever is under way: the agent is stopping.
using ShouldAbort = std::function<bool()>;

class Delivery {
 public:
  virtual ~Delivery() = default;
  /// All of them or none: kRetry gives the same ones again later, kRefused loses them.
  virtual Attempt deliver(std::span<const Message> messages, const ShouldAbort& should_abort) = 0;
  virtual std::size_t most_at_once() const { return 1; }
  /// 0: repeat() is never called. Else it is called after every deliver(), and when so much time passed since it last
  /// succeeded; a delivery of this kind may keep what it is given, and send it only then.
  virtual std::chrono::milliseconds repeat_every() const { return std::chrono::milliseconds(0); }
  virtual Attempt repeat(const ShouldAbort& /*should_abort*/) { return {}; }
};

}  // namespace mtlswatch
