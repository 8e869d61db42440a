// SPDX-License-Identifier: Apache-2.0
// Connections for children to make: TCP over IPv4, IPv6 and mapped addresses, and Unix. All calls must succeed
// (child.h).
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace mtlswatch::test {

enum class Network { kTcp4, kTcp6, kTcpMapped, kUnixPath, kUnixAbstract };

/// A listening socket, made before a child is forked so that the child need not listen itself.
class Listener {
 public:
  explicit Listener(Network network);
  ~Listener();
  Listener(const Listener&) = delete;

  int fd() const { return fd_; }
  std::uint16_t port() const;                        ///< TCP
  const std::string& path() const { return path_; }  ///< Unix: as bound, an abstract one with its leading NUL
  int connect() const;
  int accept() const;

 private:
  sockaddr_storage address_{};
  socklen_t address_bytes_ = 0;
  std::string path_;
  int fd_ = -1;
};

/// Both ends of one connection, in one process.
struct SocketPair {
  explicit SocketPair(const Listener& listener) : client(listener.connect()), server(listener.accept()) {}
  int client;
  int server;
};

std::uint64_t cookie_of(int fd);
std::uint16_t local_port_of(int fd);
/// Sends all of it in one call.
void put(int fd, std::string_view text);
/// Receives exactly so many bytes in one call.
std::string get(int fd, std::size_t bytes);
/// Bytes that differ from their neighbours.
std::string numbered(std::size_t bytes);

}  // namespace mtlswatch::test
