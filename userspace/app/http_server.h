// SPDX-License-Identifier: Apache-2.0
// A small HTTP server on a thread of its own, for /metrics and the health checks. It never touches the event loop's
// state: answers are made from what was published. Bounded in connections, memory and time a connection.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "userspace/base/result.h"
#include "userspace/model/address.h"

namespace mtlswatch {

struct HttpAnswer {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

class HttpServer {
 public:
  static constexpr unsigned kConnections = 16;
  static constexpr unsigned kIdleSeconds = 5;
  static constexpr std::uint64_t kLifeNs = 15'000'000'000;

  /// Called on the server's thread, for GET and HEAD.
  using Answer = std::function<HttpAnswer(const std::string& path)>;

  /// Binds and serves. Call it after the process's signal mask is set: the thread inherits that.
  static Result<std::unique_ptr<HttpServer>> start(const Endpoint& listen, Answer answer);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// Where it listens: the port may have been chosen by the kernel.
  const Endpoint& listens_on() const { return listens_on_; }
  /// Ends connections older than kLifeNs, so that slow clients cannot hold all of them. From the event loop.
  void expire(std::uint64_t now_ns);

 private:
  struct Daemon;
  HttpServer() = default;
  std::unique_ptr<Daemon> daemon_;
  Endpoint listens_on_;
};

}  // namespace mtlswatch
