// SPDX-License-Identifier: Apache-2.0
#include "userspace/sink/syslog.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "userspace/base/unique_fd.h"

namespace mtlswatch {
namespace {

constexpr int kFacility = 13;  // log audit
constexpr int kSliceMs = 200;  // between two looks whether to stop
constexpr int kPatienceMs = 10'000;
constexpr int kSendBufferBytes = 128 << 10;  // what a peer that stopped reading can hide from our count
constexpr std::size_t kHostBytes = 255;
constexpr std::size_t kMostAtOnce = 200;

/// RFC 5424 section 6: printable ASCII without blanks, or "-".
std::string header_field(const std::string& text) {
  const bool plain = !text.empty() && text.size() <= kHostBytes &&
                     std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
  return plain ? text : "-";
}

/// "request" of "mtlswatch.request".
std::string message_id(const std::string& dataset) { return header_field(dataset.substr(dataset.find('.') + 1)); }

socklen_t fill_address(const Endpoint& endpoint, sockaddr_storage& storage) {
  if (endpoint.ip.is_v4) {
    auto* address = reinterpret_cast<sockaddr_in*>(&storage);
    address->sin_family = AF_INET;
    address->sin_port = htons(endpoint.port);
    std::memcpy(&address->sin_addr, endpoint.ip.bytes.data(), 4);
    return sizeof *address;
  }
  auto* address = reinterpret_cast<sockaddr_in6*>(&storage);
  address->sin6_family = AF_INET6;
  address->sin6_port = htons(endpoint.port);
  std::memcpy(&address->sin6_addr, endpoint.ip.bytes.data(), 16);
  return sizeof *address;
}

class Syslog final : public Delivery {
 public:
  Syslog(const Endpoint& address, std::string host_name) : address_(address), host_name_(std::move(host_name)) {}

  std::size_t most_at_once() const override { return kMostAtOnce; }

  /// After a failure the connection is closed: the peer drops a frame that was cut, and all are sent again.
  Attempt deliver(std::span<const Message> messages, const ShouldAbort& should_abort) override {
    Attempt attempt = connect(should_abort);
    std::string frames;
    for (const Message& message : messages) frames += syslog_frame(message, host_name_, ::getpid());
    if (attempt.result == Attempt::Result::kDone) attempt = send_all(frames, should_abort);
    if (attempt.result != Attempt::Result::kDone) fd_ = UniqueFd();
    return attempt;
  }

 private:
  static Attempt failed(const std::string& what, int error_number) {
    return {Attempt::Result::kRetry, system_error(what, error_number).message};
  }

  /// True when it can be written to; false at the deadline or when stopping.
  bool wait_writable(const ShouldAbort& should_abort) const {
    for (int waited_ms = 0; waited_ms < kPatienceMs && !should_abort(); waited_ms += kSliceMs) {
      pollfd state{fd_.get(), POLLOUT, 0};
      if (::poll(&state, 1, kSliceMs) > 0) return true;
    }
    return false;
  }

  /// A peer that closed has said so by an end of stream; nothing else is ever read from it.
  bool is_open() const {
    char byte = 0;
    if (!fd_) return false;
    const ssize_t bytes = ::recv(fd_.get(), &byte, 1, MSG_DONTWAIT);
    return bytes > 0 || (bytes < 0 && (errno == EAGAIN || errno == EINTR));
  }

  Attempt connect(const ShouldAbort& should_abort) {
    if (is_open()) return {};
    sockaddr_storage storage{};
    const socklen_t size = fill_address(address_, storage);
    fd_ = UniqueFd(::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const std::string what = "connect to " + address_.text();
    if (!fd_) return failed(what, errno);
    const int on = 1;
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDBUF, &kSendBufferBytes, sizeof kSendBufferBytes);
    const int result = ::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&storage), size);
    if (result != 0 && errno != EINPROGRESS) return failed(what, errno);
    if (!wait_writable(should_abort)) return failed(what, ETIMEDOUT);
    int error_number = 0;
    socklen_t error_size = sizeof error_number;
    ::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error_number, &error_size);
    if (error_number != 0) return failed(what, error_number);
    return {};
  }

  Attempt send_all(const std::string& bytes, const ShouldAbort& should_abort) {
    for (std::size_t sent = 0; sent < bytes.size();) {
      const ssize_t count = ::send(fd_.get(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (count > 0) {
        sent += static_cast<std::size_t>(count);
      } else if (errno == EAGAIN) {
        if (!wait_writable(should_abort)) return failed("send to " + address_.text(), ETIMEDOUT);
      } else if (errno != EINTR) {
        return failed("send to " + address_.text(), errno);
      }
    }
    return {};
  }

  Endpoint address_;
  std::string host_name_;
  UniqueFd fd_;
};

}  // namespace

std::string syslog_frame(const Message& message, const std::string& host_name, int pid) {
  const std::string text = "<" + std::to_string(kFacility * 8 + message.severity) + ">1 " + message.time + " " +
                           header_field(host_name) + " mtlswatch " + std::to_string(pid) + " " +
                           message_id(message.dataset) + " - " + message.json;
  return std::to_string(text.size()) + " " + text;
}

std::unique_ptr<Delivery> open_syslog(const OutputConfig& output, const std::string& host_name) {
  return std::make_unique<Syslog>(output.address, host_name);
}

}  // namespace mtlswatch
