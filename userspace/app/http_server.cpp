// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/http_server.h"

#include <microhttpd.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>
#include <thread>

#include "userspace/app/host.h"
#include "userspace/base/capabilities.h"
#include "userspace/base/unique_fd.h"

namespace mtlswatch {
namespace {

constexpr std::size_t kConnectionBytes = 16 * 1024;

Result<sockaddr_storage> socket_address(const Endpoint& endpoint, socklen_t& length) {
  sockaddr_storage storage{};
  if (endpoint.is_unix()) return Error{"\"" + endpoint.text() + "\" is no IP address and port"};
  if (endpoint.ip.is_v4) {
    auto* address = reinterpret_cast<sockaddr_in*>(&storage);
    address->sin_family = AF_INET;
    address->sin_port = htons(endpoint.port);
    std::memcpy(&address->sin_addr, endpoint.ip.bytes.data(), sizeof address->sin_addr);
    length = sizeof *address;
  } else {
    auto* address = reinterpret_cast<sockaddr_in6*>(&storage);
    address->sin6_family = AF_INET6;
    address->sin6_port = htons(endpoint.port);
    std::memcpy(&address->sin6_addr, endpoint.ip.bytes.data(), sizeof address->sin6_addr);
    length = sizeof *address;
  }
  return storage;
}

/// A listening socket; endpoint.port becomes the one it got.
Result<UniqueFd> listen_on(Endpoint& endpoint) {
  socklen_t length = 0;
  auto address = socket_address(endpoint, length);
  if (!address) return address.error();
  UniqueFd fd(::socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int on = 1;
  if (!fd) return system_error("socket", errno);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&*address), length) != 0) return system_error("bind", errno);
  if (::listen(fd.get(), HttpServer::kConnections) != 0) return system_error("listen", errno);
  ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&*address), &length);
  endpoint.port = ntohs(endpoint.ip.is_v4 ? reinterpret_cast<sockaddr_in*>(&*address)->sin_port
                                          : reinterpret_cast<sockaddr_in6*>(&*address)->sin6_port);
  return fd;
}

}  // namespace

struct HttpServer::Daemon {
  Answer answer;
  MHD_Daemon* handle = nullptr;
  std::mutex mutex;  ///< over begun_ns: libmicrohttpd's thread enters and removes, the event loop reads
  std::map<int, std::uint64_t> begun_ns;

  ~Daemon() {
    if (handle != nullptr) MHD_stop_daemon(handle);
  }

  /// On a thread that has nothing to lose: libmicrohttpd's own thread inherits its lack of capabilities.
  void start(int listener) {
    static_cast<void>(keep_capabilities({}));  // giving all away is never refused
    handle = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, nullptr, nullptr, &Daemon::on_request, this,
                              MHD_OPTION_LISTEN_SOCKET, listener, MHD_OPTION_CONNECTION_LIMIT, kConnections,
                              MHD_OPTION_CONNECTION_TIMEOUT, kIdleSeconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                              kConnectionBytes, MHD_OPTION_NOTIFY_CONNECTION, &Daemon::on_connection, this, MHD_OPTION_END);
  }

  static MHD_Result on_request(void* self, MHD_Connection* connection, const char* path, const char* method,
                               const char*, const char*, std::size_t*, void**) {
    HttpAnswer answer{405, "text/plain; charset=utf-8", "only GET and HEAD\n"};
    if (std::strcmp(method, "GET") == 0 || std::strcmp(method, "HEAD") == 0)
      answer = static_cast<Daemon*>(self)->answer(path);
    MHD_Response* response =
        MHD_create_response_from_buffer(answer.body.size(), answer.body.data(), MHD_RESPMEM_MUST_COPY);
    if (response == nullptr) return MHD_NO;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer.content_type.c_str());
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    if (answer.status == 405) MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    const MHD_Result queued = MHD_queue_response(connection, static_cast<unsigned>(answer.status), response);
    MHD_destroy_response(response);
    return queued;
  }

  static void on_connection(void* self, MHD_Connection* connection, void**, MHD_ConnectionNotificationCode code) {
    const MHD_ConnectionInfo* info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (info == nullptr) return;
    auto* daemon = static_cast<Daemon*>(self);
    const std::lock_guard lock(daemon->mutex);
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
      daemon->begun_ns[info->connect_fd] = boottime_ns();
    } else {
      daemon->begun_ns.erase(info->connect_fd);
    }
  }
};

HttpServer::~HttpServer() = default;

Result<std::unique_ptr<HttpServer>> HttpServer::start(const Endpoint& listen, Answer answer) {
  std::unique_ptr<HttpServer> server(new HttpServer);
  server->listens_on_ = listen;
  auto fd = listen_on(server->listens_on_);
  if (!fd) return fd.error().in("serve HTTP on " + listen.text());
  server->daemon_ = std::make_unique<Daemon>();
  server->daemon_->answer = std::move(answer);
  std::thread([&] { server->daemon_->start(fd->get()); }).join();
  if (server->daemon_->handle == nullptr)
    return Error{"serve HTTP on " + listen.text() + ": libmicrohttpd did not start"};
  fd->release();  // libmicrohttpd closes it
  return server;
}

void HttpServer::expire(std::uint64_t now_ns) {
  const std::lock_guard lock(daemon_->mutex);
  for (const auto& [fd, begun_ns] : daemon_->begun_ns) {
    if (now_ns > begun_ns + kLifeNs) ::shutdown(fd, SHUT_RDWR);
  }
}

}  // namespace mtlswatch
