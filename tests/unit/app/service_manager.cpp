// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/service_manager.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <filesystem>


namespace mtlswatch {
namespace {

/// systemd's end: a datagram socket with a name in the environment.
class Systemd {
 public:
  explicit Systemd(const std::string& name) : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    name.copy(address.sun_path, sizeof address.sun_path);
    if (name[0] == '@') address.sun_path[0] = '\0';
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
    ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
    ::setenv("WATCHDOG_USEC", "30000000", 1);
    ::setenv("WATCHDOG_PID", std::to_string(getpid()).c_str(), 1);
  }
  ~Systemd() {
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) ::unsetenv(name);
  }
  /// The next message; empty: there is none.
  std::string hear() {
    char buffer[256];
    const ssize_t count = ::recv(socket_.get(), buffer, sizeof buffer, 0);
    return count < 0 ? "" : std::string(buffer, static_cast<std::size_t>(count));
  }

 private:
  UniqueFd socket_;
};

constexpr std::uint64_t kSecondNs = 1'000'000'000;

TEST(ServiceManager, is_told_the_life_of_the_service) {
  Systemd systemd("@mtlswatch-test-" + std::to_string(getpid()));
  ServiceManager manager = ServiceManager::from_environment();
  manager.ready("watching 3 processes");
  EXPECT_EQ(systemd.hear(), "READY=1\nSTATUS=watching 3 processes");
  manager.reloading();
  EXPECT_EQ(systemd.hear(), "RELOADING=1");
  manager.reloaded();
  EXPECT_EQ(systemd.hear(), "READY=1");
  manager.stopping();
  EXPECT_EQ(systemd.hear(), "STOPPING=1");
}

TEST(ServiceManager, may_have_its_socket_in_the_file_system) {
  const auto path = std::filesystem::temp_directory_path() / ("mtlswatch-notify-" + std::to_string(getpid()));
  Systemd systemd(path);
  ServiceManager::from_environment().stopping();
  EXPECT_EQ(systemd.hear(), "STOPPING=1");
  std::filesystem::remove(path);
}

TEST(ServiceManager, is_fed_three_times_within_the_time_it_allows) {
  Systemd systemd("@mtlswatch-test-" + std::to_string(getpid()));
  ServiceManager manager = ServiceManager::from_environment();
  int fed = 0;
  for (std::uint64_t now_ns = kSecondNs; now_ns <= 60 * kSecondNs; now_ns += kSecondNs / 100) {
    manager.keep_alive(now_ns);
    for (std::string message; !(message = systemd.hear()).empty(); ++fed) EXPECT_EQ(message, "WATCHDOG=1");
  }
  EXPECT_EQ(fed, 6);
}

TEST(ServiceManager, is_not_fed_for_another_process) {
  Systemd systemd("@mtlswatch-test-" + std::to_string(getpid()));
  ::setenv("WATCHDOG_PID", std::to_string(getpid() + 1).c_str(), 1);
  ServiceManager::from_environment().keep_alive(kSecondNs);
  EXPECT_EQ(systemd.hear(), "");
}

TEST(ServiceManager, does_not_wait_for_one_that_does_not_read) {
  Systemd systemd("@mtlswatch-test-" + std::to_string(getpid()));
  ServiceManager manager = ServiceManager::from_environment();
  for (int i = 0; i < 10'000; ++i) manager.reloaded();
  EXPECT_EQ(systemd.hear(), "READY=1");
}

TEST(ServiceManager, hides_the_socket_from_the_agents_children) {
  Systemd systemd("@mtlswatch-test-" + std::to_string(getpid()));
  ServiceManager::from_environment();
  EXPECT_EQ(::getenv("NOTIFY_SOCKET"), nullptr);
}

TEST(ServiceManager, is_missed_by_nobody_where_there_is_none) {
  ::unsetenv("NOTIFY_SOCKET");
  ServiceManager manager = ServiceManager::from_environment();
  manager.ready("");
  manager.keep_alive(kSecondNs);
  manager.stopping();
}

}  // namespace
}  // namespace mtlswatch
