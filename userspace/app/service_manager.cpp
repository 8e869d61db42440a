// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace mtlswatch {
namespace {

std::string_view environment(const char* name) {
  const char* value = ::getenv(name);
  return value == nullptr ? std::string_view() : value;
}

std::uint64_t number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? value : 0;
}

/// A path, or with "@" a name in the abstract namespace.
UniqueFd connect_datagram(std::string_view name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (name.size() < 2 || name.size() >= sizeof address.sun_path || (name[0] != '/' && name[0] != '@')) return UniqueFd();
  std::memcpy(address.sun_path, name.data(), name.size());
  if (name[0] == '@') address.sun_path[0] = '\0';
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd || ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0) return UniqueFd();
  return fd;
}

}  // namespace

ServiceManager ServiceManager::from_environment() {
  ServiceManager manager;
  manager.socket_ = connect_datagram(environment("NOTIFY_SOCKET"));
  const std::uint64_t watched = number(environment("WATCHDOG_PID"));
  if (manager.socket_ && (watched == 0 || watched == static_cast<std::uint64_t>(getpid())))
    manager.watchdog_ns_ = number(environment("WATCHDOG_USEC")) * 1000;
  ::unsetenv("NOTIFY_SOCKET");
  return manager;
}

void ServiceManager::keep_alive(std::uint64_t now_ns) {
  if (watchdog_ns_ == 0 || now_ns < next_ns_) return;
  next_ns_ = now_ns + watchdog_ns_ / 3;
  send("WATCHDOG=1");
}

/// A service manager that does not read must not hold up the agent: what it has no room for is not said.
void ServiceManager::send(std::string_view message) const {
  if (socket_) ::send(socket_.get(), message.data(), message.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

}  // namespace mtlswatch
