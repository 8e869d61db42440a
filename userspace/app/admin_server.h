// SPDX-License-Identifier: Apache-2.0
// The admin Unix socket: one line in, one JSON line out, or a stream of events. Served on the event loop and never
// blocking it: every socket is non-blocking, and clients, requests and unread answers are bounded. Only root and the
// agent's own user are answered (SO_PEERCRED, unix(7)).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <string>

#include "userspace/app/event_filter.h"
#include "userspace/base/result.h"
#include "userspace/base/unique_fd.h"

namespace mtlswatch {

struct AdminAnswer {
  std::string text;                   ///< JSON lines
  std::optional<EventFilter> follow;  ///< then every event that passes
};

/// A client's life:
///   asking     -- a whole line          --> answering  or, with follow, following
///   answering  -- all is written        --> closed
///   following  -- the client closes     --> closed     events that find its buffer full are counted as lost
///   any        -- too long a line, or not closed kPatienceNs after it came, unless following --> closed
class AdminServer {
 public:
  static constexpr std::size_t kClients = 16;
  static constexpr std::size_t kRequestBytes = 8192;
  static constexpr std::size_t kFollowBytes = 1u << 20;
  static constexpr std::uint64_t kPatienceNs = 10'000'000'000;

  using Answer = std::function<AdminAnswer(const std::string& line)>;

  /// Makes the socket, mode 0600, and its folder where that is missing. A dead agent's socket is replaced; one that
  /// answers is an error.
  static Result<AdminServer> open(const std::string& path, Answer answer);
  AdminServer(AdminServer&&) noexcept = default;
  AdminServer& operator=(AdminServer&&) = delete;
  ~AdminServer();  ///< removes the socket

  /// Readable when serve has something to do; for epoll.
  int fd() const { return epoll_.get(); }
  void serve(std::uint64_t now_ns);
  /// Closes clients that have been asking or answering for too long.
  void expire(std::uint64_t now_ns);

  bool has_followers() const { return followers_ != 0; }
  /// line: asked for once, when a follower wants this report.
  void publish(const Report& report, const std::function<std::string()>& line);
  std::uint64_t lines_lost() const { return lines_lost_; }

 private:
  struct Client {
    UniqueFd fd;
    std::string in, out;
    std::size_t sent = 0;
    std::uint64_t deadline_ns = 0;
    std::optional<EventFilter> filter;
    bool is_answered = false;
    bool is_gone = false;
    bool waits_for_space = false;
  };

  AdminServer(std::string path, UniqueFd listener, UniqueFd epoll, Answer answer);
  void accept_clients(std::uint64_t now_ns);
  void read_from(Client& client);
  void answer(Client& client, const std::string& line);
  void write_to(Client& client);
  void watch(Client& client, bool for_space);
  void remove_gone();

  std::string path_;
  ino_t inode_ = 0;  ///< of the socket's file: another's is not removed
  UniqueFd listener_, epoll_;
  Answer answer_;
  std::list<Client> clients_;
  std::size_t followers_ = 0;
  std::uint64_t lines_lost_ = 0;
};

}  // namespace mtlswatch
