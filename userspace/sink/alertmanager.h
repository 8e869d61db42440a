// SPDX-License-Identifier: Apache-2.0
// Alertmanager's API v2. It forgets what it is not reminded of, so active alerts are sent again and again, and ended
// ones once with their end.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "userspace/base/result.h"
#include "userspace/model/config.h"
#include "userspace/sink/delivery.h"
#include "userspace/sink/ecs_json.h"

namespace mtlswatch {

Result<std::unique_ptr<Delivery>> open_alertmanager(const OutputConfig& output, const SinkContext& context);

/// What is active, and what has ended but was not told yet. Bounded by kAlerts; the oldest goes first.
class AlertmanagerState {
 public:
  static constexpr std::size_t kAlerts = 4096;

  explicit AlertmanagerState(const SinkContext& context) : context_(context) {}

  void take(const AlertReport& alert);
  bool empty() const { return alerts_.empty(); }
  /// The body of a POST that tells all. Active alerts end by themselves at active_until_s, unless told again before.
  std::string body(std::int64_t active_until_s) const;
  /// What body() held was received: ended alerts are forgotten.
  void told();

 private:
  SinkContext context_;
  std::map<std::string, AlertReport> alerts_;  ///< by fingerprint
};

}  // namespace mtlswatch
