// SPDX-License-Identifier: Apache-2.0
// What the admin socket answers, as JSON. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/model/process.h"
#include "userspace/model/status.h"

namespace mtlswatch {

/// What `status` shows beside the state itself.
struct StatusDetails {
  std::vector<IdentitySeen> top_identities;
  Counts earlier;                  ///< about a minute ago, or from the start
  double earlier_seconds_ago = 0;  ///< 0: no rate yet
  std::int64_t utc_minus_boottime_ns = 0;
};

std::string status_json(const AgentStatus& status, const StatusDetails& details,
                        const std::map<std::uint32_t, ProcessFacts>& processes);

/// One question to the agent: a line of JSON.
struct AdminRequest {
  std::string command;  ///< status, targets, events, explain
  std::string id;       ///< explain: event.id
  std::string filter;   ///< events
  bool follow = false;  ///< events
};

std::string request_json(const AdminRequest& request);
Result<AdminRequest> parse_request_json(const std::string& line);
std::string error_json(const std::string& message);
/// The message, if the answer is an error.
std::optional<std::string> error_in_json(const std::string& line);

}  // namespace mtlswatch
