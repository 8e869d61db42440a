// SPDX-License-Identifier: Apache-2.0
// Tells systemd how the agent is: sd_notify(3) as datagrams. Used on the event loop's thread, whose turns feed the watchdog.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "userspace/base/unique_fd.h"

namespace mtlswatch {

class ServiceManager {
 public:
  /// What NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID say, and takes the first out of the environment. Without them
  /// every call does nothing.
  static ServiceManager from_environment();

  void ready(const std::string& status) { send("READY=1\nSTATUS=" + status); }
  /// SIGHUP: between these two the service is reloading.
  void reloading() { send("RELOADING=1"); }
  void reloaded() { send("READY=1"); }
  void stopping() { send("STOPPING=1"); }
  /// Every turn of the event loop; tells at most every third of the time that systemd allows.
  void keep_alive(std::uint64_t now_ns);

 private:
  void send(std::string_view message) const;

  UniqueFd socket_;
  std::uint64_t watchdog_ns_ = 0;  ///< 0: nobody watches
  std::uint64_t next_ns_ = 0;
};

}  // namespace mtlswatch
