// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/ask.h"

#include "userspace/app/admin_socket.h"

namespace mtlswatch {

Result<std::string> socket_of(const AskOptions& options) {
  if (!options.socket.empty()) return options.socket;
  const auto config = load_config(options.config);
  if (!config) return options.config.file.empty() ? Result<std::string>(std::string(kAdminSocket)) : config.error();
  if (config->admin_socket.empty()) return Error{"the configuration has no admin socket"};
  return config->admin_socket;
}

Result<std::string> ask(const AskOptions& options, const AdminRequest& request) {
  const auto socket = socket_of(options);
  if (!socket) return socket.error();
  auto answer = ask_agent(*socket, request_json(request));
  if (!answer) return answer.error();
  if (const auto error = error_in_json(*answer)) return Error{*error};
  return answer;
}

}  // namespace mtlswatch
