// SPDX-License-Identifier: Apache-2.0
// A report as one line of nested Elastic Common Schema 9.4 JSON: the output contract. What ECS has no field for lives
// under mtlswatch. Used by the sinks; pure, so any thread.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>

#include "userspace/base/utc_clock.h"
#include "userspace/model/pod.h"
#include "userspace/model/verdict.h"
#include "userspace/sink/json_writer.h"

namespace mtlswatch {

/// What an event says that its report does not know.
struct SinkContext {
  std::string agent_version;
  std::string agent_id;
  std::string host_name;
  std::string host_id;                     ///< /etc/machine-id
  std::string boot_id;                     ///< /proc/sys/kernel/random/boot_id
  std::string kernel_release;              ///< uname -r
  UtcClock utc_minus_boottime_ns;
  bool write_query = false;                ///< url.query is written only when asked for
  std::string cluster;                     ///< orchestrator.cluster.name
  const PodDirectory* pods = nullptr;      ///< of this node; null: nobody tells their names
  std::uint64_t sequence = 0;              ///< event.sequence: the agent's reports counted from 1; 0 is not written
};

/// A CLOCK_BOOTTIME time as RFC 3339 in UTC.
std::string utc(const SinkContext& context, std::uint64_t boottime_ns);

/// One JSON object without a newline; valid UTF-8 whatever the report holds.
std::string ecs_json(const Report& report, const SinkContext& context);
/// The same, appended. fragments: of events with the same context.
void append_ecs_json(fmt::memory_buffer& buffer, const Report& report, const SinkContext& context, JsonFragments* fragments = nullptr);

}  // namespace mtlswatch
