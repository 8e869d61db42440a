// SPDX-License-Identifier: Apache-2.0
// Asking the running agent, for the commands.
#pragma once

#include <string>

#include "userspace/app/commands.h"
#include "userspace/app/status_json.h"

namespace mtlswatch {

/// --socket, else what the configuration says, else the default.
Result<std::string> socket_of(const AskOptions& options);
/// The agent's one-line answer, or why there is none.
Result<std::string> ask(const AskOptions& options, const AdminRequest& request);

}  // namespace mtlswatch
