// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/admin_server.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "userspace/app/admin_socket.h"

namespace mtlswatch {
namespace {

constexpr const char* kRefused = "{\"error\":\"only root and the agent's own user are answered\"}\n";
constexpr const char* kTooLong = "{\"error\":\"the request is too long\"}\n";

bool may_ask(int fd) {
  ucred peer{};
  socklen_t length = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return false;
  return peer.uid == 0 || peer.uid == ::geteuid();
}

/// The folder is made where it is missing; not its parents.
Status make_folder(const std::string& path) {
  std::error_code error;
  const auto folder = std::filesystem::path(path).parent_path();
  if (folder.empty() || std::filesystem::is_directory(folder, error)) return Done{};
  if (::mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) return system_error("make " + folder.string(), errno);
  return Done{};
}

/// What a dead agent left behind goes; a living agent's socket, or a file that is no socket, stays.
Status clear_place(const std::string& path) {
  struct stat facts {};
  if (::lstat(path.c_str(), &facts) != 0) return Done{};
  if (!S_ISSOCK(facts.st_mode)) return Error{path + " exists and is no socket"};
  if (connect_admin(path)) return Error{"another agent answers at " + path};
  if (::unlink(path.c_str()) != 0) return system_error("remove " + path, errno);
  return Done{};
}

}  // namespace

AdminServer::AdminServer(std::string path, UniqueFd listener, UniqueFd epoll, Answer answer)
    : path_(std::move(path)), listener_(std::move(listener)), epoll_(std::move(epoll)), answer_(std::move(answer)) {
  struct stat facts {};
  if (::lstat(path_.c_str(), &facts) == 0) inode_ = facts.st_ino;
}

AdminServer::~AdminServer() {
  struct stat facts {};
  if (listener_ && ::lstat(path_.c_str(), &facts) == 0 && facts.st_ino == inode_) ::unlink(path_.c_str());
}

Result<AdminServer> AdminServer::open(const std::string& path, Answer answer) {
  const auto address = admin_address(path);
  if (!address) return address.error();
  if (const Status status = make_folder(path); !status) return status.error();
  if (const Status status = clear_place(path); !status) return status.error();
  UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener) return system_error("socket", errno);
  ::fchmod(listener.get(), 0600);  // before bind: the file gets this mode
  if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) {
    return system_error("bind " + path, errno);
  }
  if (::listen(listener.get(), kClients) != 0) return system_error("listen on " + path, errno);
  UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  epoll_event event{EPOLLIN, {.ptr = nullptr}};
  if (!epoll || ::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, listener.get(), &event) != 0)
    return system_error("epoll", errno);
  return AdminServer(path, std::move(listener), std::move(epoll), std::move(answer));
}

void AdminServer::serve(std::uint64_t now_ns) {
  epoll_event events[kClients + 1];
  const int count = ::epoll_wait(epoll_.get(), events, kClients + 1, 0);
  for (int i = 0; i < count; ++i) {
    auto* client = static_cast<Client*>(events[i].data.ptr);
    if (client == nullptr) {
      accept_clients(now_ns);
      continue;
    }
    if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) read_from(*client);
    if (!client->is_gone && !client->out.empty()) write_to(*client);
  }
  remove_gone();
}

void AdminServer::accept_clients(std::uint64_t now_ns) {
  for (std::size_t i = 0; i < kClients; ++i) {
    UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd) return;
    if (!may_ask(fd.get())) {
      ::send(fd.get(), kRefused, std::char_traits<char>::length(kRefused), MSG_DONTWAIT | MSG_NOSIGNAL);
      continue;
    }
    if (clients_.size() >= kClients) continue;  // closed: it may come again
    Client& client = clients_.emplace_back();
    client.fd = std::move(fd);
    client.deadline_ns = now_ns + kPatienceNs;
    epoll_event event{EPOLLIN, {.ptr = &client}};
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, client.fd.get(), &event) != 0) client.is_gone = true;
  }
}

void AdminServer::read_from(Client& client) {
  char buffer[4096];
  const ssize_t count = ::recv(client.fd.get(), buffer, sizeof buffer, MSG_DONTWAIT);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count <= 0) {
    client.is_gone = true;
    return;
  }
  if (client.is_answered) return;  // nothing more is asked of this connection
  client.in.append(buffer, static_cast<std::size_t>(count));
  const std::size_t end = client.in.find('\n');
  if (end != std::string::npos) {
    answer(client, client.in.substr(0, end));
  } else if (client.in.size() > kRequestBytes) {
    client.is_answered = true;
    client.out = kTooLong;
  }
}

void AdminServer::answer(Client& client, const std::string& line) {
  AdminAnswer answered = answer_(line);
  client.is_answered = true;
  client.in.clear();
  client.out = std::move(answered.text);
  client.filter = std::move(answered.follow);
  if (client.filter) ++followers_;
}

void AdminServer::write_to(Client& client) {
  while (client.sent < client.out.size()) {
    const ssize_t count = ::send(client.fd.get(), client.out.data() + client.sent, client.out.size() - client.sent,
                                 MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) return watch(client, true);
    if (count < 0) {
      client.is_gone = true;
      return;
    }
    client.sent += static_cast<std::size_t>(count);
  }
  client.out.clear();
  client.sent = 0;
  watch(client, false);
  if (client.is_answered && !client.filter) client.is_gone = true;
}

void AdminServer::watch(Client& client, bool for_space) {
  if (client.waits_for_space == for_space) return;
  client.waits_for_space = for_space;
  epoll_event event{EPOLLIN | (for_space ? EPOLLOUT : 0u), {.ptr = &client}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, client.fd.get(), &event) != 0) client.is_gone = true;
}

void AdminServer::publish(const Report& report, const std::function<std::string()>& line) {
  std::string text;
  for (Client& client : clients_) {
    if (!client.filter || client.is_gone || !client.filter->passes(report)) continue;
    if (text.empty()) text = line() + "\n";
    if (client.out.size() - client.sent + text.size() > kFollowBytes) {
      ++lines_lost_;
      continue;
    }
    if (client.sent > kFollowBytes) {
      client.out.erase(0, client.sent);
      client.sent = 0;
    }
    client.out += text;
    watch(client, true);
  }
}

void AdminServer::expire(std::uint64_t now_ns) {
  for (Client& client : clients_) {
    if (!client.filter && now_ns > client.deadline_ns) client.is_gone = true;
  }
  remove_gone();
}

void AdminServer::remove_gone() {
  for (auto client = clients_.begin(); client != clients_.end();) {
    if (client->is_gone && client->filter) --followers_;
    client = client->is_gone ? clients_.erase(client) : std::next(client);
  }
}

}  // namespace mtlswatch
