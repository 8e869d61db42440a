// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/admin_socket.h"

#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <cstring>

namespace mtlswatch {
namespace {

constexpr time_t kPatienceS = 10;
constexpr std::size_t kLineBytes = 64u << 20;  ///< no honest answer is longer

Status send_all(int fd, const std::string& text) {
  for (std::size_t sent = 0; sent < text.size();) {
    const ssize_t count = ::send(fd, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return system_error("ask the agent", errno);
    sent += static_cast<std::size_t>(count);
  }
  return Done{};
}

}  // namespace

Result<sockaddr_un> admin_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return Error{"\"" + path + "\" cannot be a Unix socket's path: it must have 1 to 107 bytes"};
  }
  std::memcpy(address.sun_path, path.c_str(), path.size());
  return address;
}

Result<UniqueFd> connect_admin(const std::string& path) {
  const auto address = admin_address(path);
  if (!address) return address.error();
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return system_error("socket", errno);
  const timeval patience{kPatienceS, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);  // for connect too: socket(7)
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) {
    return system_error("no agent answers at " + path, errno);
  }
  return fd;
}

Status ask_agent(const std::string& path, const std::string& request,
                 const std::function<bool(const std::string&)>& on_line, bool is_stream) {
  const auto fd = connect_admin(path);
  if (!fd) return fd.error();
  const timeval patience{is_stream ? 0 : kPatienceS, 0};
  ::setsockopt(fd->get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (const Status status = send_all(fd->get(), request + "\n"); !status) return status;
  std::string pending;
  char buffer[65536];
  for (;;) {
    const ssize_t count = ::recv(fd->get(), buffer, sizeof buffer, 0);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return system_error("hear the agent", errno);
    if (count == 0) return Done{};
    pending.append(buffer, static_cast<std::size_t>(count));
    std::size_t begin = 0;
    for (std::size_t end = 0; (end = pending.find('\n', begin)) != std::string::npos; begin = end + 1) {
      if (!on_line(pending.substr(begin, end - begin))) return Done{};
    }
    pending.erase(0, begin);
    if (pending.size() > kLineBytes) return Error{"the agent's answer is too long"};
  }
}

Result<std::string> ask_agent(const std::string& path, const std::string& request) {
  std::string first;
  const Status status = ask_agent(
      path, request,
      [&first](const std::string& line) {
        first = line;
        return false;
      },
      false);
  if (!status) return status.error();
  if (first.empty()) return Error{"the agent at " + path + " closed without an answer"};
  return first;
}

}  // namespace mtlswatch
