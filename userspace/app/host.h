// SPDX-License-Identifier: Apache-2.0
// Facts about this host: its names, addresses and clocks.
#pragma once

#include <cstdint>
#include <string>

#include "userspace/policy/judge.h"
#include "userspace/sink/ecs_json.h"

namespace mtlswatch {

/// Nanoseconds of CLOCK_BOOTTIME, the kernel programs' clock.
std::uint64_t boottime_ns();
/// Added to a CLOCK_BOOTTIME time, it gives UTC since 1970 (CLOCK_REALTIME).
std::int64_t utc_minus_boottime_ns();
/// Sets it after a step of the wall clock. What is slewed is CLOCK_BOOTTIME too, and makes no difference.
void follow_wall_clock(UtcClock& clock);

/// Addresses of all interfaces of this network namespace.
HostAddresses host_addresses();

/// Who this agent and host are, for the events.
SinkContext host_context();

}  // namespace mtlswatch
