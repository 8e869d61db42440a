// SPDX-License-Identifier: Apache-2.0
#include "tests/bpf/socket_pair.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>

#include "tests/bpf/child.h"

namespace mtlswatch::test {
namespace {

socklen_t write_tcp(sockaddr_storage& storage, Network network) {
  if (network == Network::kTcp4) {
    auto& address = reinterpret_cast<sockaddr_in&>(storage);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return sizeof address;
  }
  auto& address = reinterpret_cast<sockaddr_in6&>(storage);
  address.sin6_family = AF_INET6;
  inet_pton(AF_INET6, network == Network::kTcp6 ? "::1" : "::ffff:127.0.0.1", &address.sin6_addr);
  return sizeof address;
}

socklen_t write_unix(sockaddr_storage& storage, const std::string& path) {
  auto& address = reinterpret_cast<sockaddr_un&>(storage);
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  const std::size_t terminator = path[0] == '\0' ? 0 : 1;
  return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + terminator);
}

std::string unused_path(Network network) {
  static int count = 0;
  const std::string name = "mtlswatch-test-" + std::to_string(getpid()) + "-" + std::to_string(++count);
  return network == Network::kUnixPath ? "/tmp/" + name : std::string(1, '\0') + name;
}

}  // namespace

Listener::Listener(Network network) {
  if (network == Network::kUnixPath || network == Network::kUnixAbstract) {
    path_ = unused_path(network);
    address_bytes_ = write_unix(address_, path_);
  } else {
    address_bytes_ = write_tcp(address_, network);
  }
  fd_ = socket(address_.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto* address = reinterpret_cast<sockaddr*>(&address_);
  must(bind(fd_, address, address_bytes_) == 0, "bind");
  must(listen(fd_, 16) == 0, "listen");
  if (path_.empty()) must(getsockname(fd_, address, &address_bytes_) == 0, "getsockname");
}

Listener::~Listener() {
  close(fd_);
  if (path_.starts_with('/')) unlink(path_.c_str());
}

std::uint16_t Listener::port() const {
  return ntohs(reinterpret_cast<const sockaddr_in&>(address_).sin_port);  // where sockaddr_in6 has it too
}

int Listener::connect() const {
  const int fd = socket(address_.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  must(::connect(fd, reinterpret_cast<const sockaddr*>(&address_), address_bytes_) == 0, "connect");
  return fd;
}

int Listener::accept() const {
  const int fd = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
  must(fd >= 0, "accept");
  return fd;
}

std::uint64_t cookie_of(int fd) {
  std::uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  must(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0, "SO_COOKIE");
  return cookie;
}

std::uint16_t local_port_of(int fd) {
  sockaddr_in6 address{};
  socklen_t size = sizeof address;
  must(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0, "getsockname");
  return ntohs(address.sin6_port);
}

void put(int fd, std::string_view text) {
  must(send(fd, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size()), "send");
}

std::string get(int fd, std::size_t bytes) {
  std::string text(bytes, '\0');
  must(recv(fd, text.data(), bytes, MSG_WAITALL) == static_cast<ssize_t>(bytes), "recv");
  return text;
}

std::string numbered(std::size_t bytes) {
  std::string text(bytes, '\0');
  for (std::size_t index = 0; index < bytes; ++index) text[index] = static_cast<char>(1 + (index ^ index >> 8) % 251);
  return text;
}

}  // namespace mtlswatch::test
