// SPDX-License-Identifier: Apache-2.0
// Real sockets on loopback for the tests of the agent's servers.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <string>

#include "userspace/base/unique_fd.h"

namespace mtlswatch {

/// Reads until the other end closes; 20 s at most between bytes.
inline std::string read_all(int fd) {
  const timeval patience{20, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  std::string all;
  char buffer[4096];
  for (ssize_t count = 0; (count = ::recv(fd, buffer, sizeof buffer, 0)) > 0;) all.append(buffer, static_cast<std::size_t>(count));
  return all;
}

inline UniqueFd connect_loopback(std::uint16_t port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return ::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 ? std::move(fd) : UniqueFd();
}

inline std::string exchange(std::uint16_t port, const std::string& request) {
  const UniqueFd fd = connect_loopback(port);
  if (!fd || ::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return "no connection";
  return read_all(fd.get());
}

}  // namespace mtlswatch
