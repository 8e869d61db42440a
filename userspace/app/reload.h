// SPDX-License-Identifier: Apache-2.0
// What of a configuration can change while the agent runs.
#pragma once

#include <string>
#include <vector>

#include "userspace/model/config.h"

namespace mtlswatch {

/// The keys that differ and that only a restart can take over: they decide what is loaded, found and bound.
std::vector<std::string> keys_that_need_a_restart(const Config& running, const Config& wanted);
bool outputs_differ(const Config& running, const Config& wanted);

}  // namespace mtlswatch
