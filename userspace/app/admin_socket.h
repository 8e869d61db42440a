// SPDX-License-Identifier: Apache-2.0
// The asking end of the admin socket, for the commands that look inside a running agent.
#pragma once

#include <sys/un.h>

#include <functional>
#include <string>

#include "userspace/base/result.h"
#include "userspace/base/unique_fd.h"

namespace mtlswatch {

inline constexpr const char* kAdminSocket = "/run/mtlswatch/admin.sock";

Result<sockaddr_un> admin_address(const std::string& path);
Result<UniqueFd> connect_admin(const std::string& path);

/// Sends one line and hands over each line that comes back, until the agent closes or on_line returns false.
/// is_stream: the next line may take for ever.
Status ask_agent(const std::string& path, const std::string& request,
                 const std::function<bool(const std::string&)>& on_line, bool is_stream);
/// The first line of the answer.
Result<std::string> ask_agent(const std::string& path, const std::string& request);

}  // namespace mtlswatch
