// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/host.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <spdlog/spdlog.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <memory>

namespace mtlswatch {
namespace {

constexpr std::int64_t kSecondNs = 1'000'000'000;

std::int64_t read_clock(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return now.tv_sec * kSecondNs + now.tv_nsec;
}

std::string first_line(const char* path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

}  // namespace

std::uint64_t boottime_ns() { return static_cast<std::uint64_t>(read_clock(CLOCK_BOOTTIME)); }

// Whoever is kept from running between the two readings takes that for the difference of the clocks.
std::int64_t utc_minus_boottime_ns() {
  constexpr std::int64_t kTogetherNs = 100'000;
  std::int64_t offset = 0;
  for (int i = 0; i < 10; ++i) {
    const std::int64_t before = read_clock(CLOCK_BOOTTIME);
    offset = read_clock(CLOCK_REALTIME) - before;
    if (read_clock(CLOCK_BOOTTIME) - before < kTogetherNs) break;
  }
  return offset;
}

void follow_wall_clock(UtcClock& clock) {
  constexpr std::int64_t kStepNs = 20'000'000;
  const std::int64_t now_ns = utc_minus_boottime_ns();
  const std::int64_t step_ns = now_ns - clock;
  if (std::abs(step_ns) < kStepNs) return;
  clock.set(now_ns);
  spdlog::info("the wall clock was set: {:+.3f} s", static_cast<double>(step_ns) / 1e9);
}

HostAddresses host_addresses() {
  HostAddresses addresses;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return addresses;
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(list, freeifaddrs);
  for (const ifaddrs* item = list; item; item = item->ifa_next) {
    if (!item->ifa_addr) continue;
    if (item->ifa_addr->sa_family == AF_INET) {
      const auto* address = reinterpret_cast<const sockaddr_in*>(item->ifa_addr);
      addresses.local.push_back(IpAddress::v4(reinterpret_cast<const std::uint8_t*>(&address->sin_addr)));
    } else if (item->ifa_addr->sa_family == AF_INET6) {
      const auto* address = reinterpret_cast<const sockaddr_in6*>(item->ifa_addr);
      addresses.local.push_back(IpAddress::v6(address->sin6_addr.s6_addr));
    }
  }
  return addresses;
}

SinkContext host_context() {
  SinkContext context;
  context.agent_version = MTLSWATCH_VERSION;
  context.host_id = first_line("/etc/machine-id");
  context.agent_id = context.host_id;
  context.boot_id = first_line("/proc/sys/kernel/random/boot_id");
  char name[256] = {};
  if (gethostname(name, sizeof name - 1) == 0) context.host_name = name;
  utsname kernel{};
  if (uname(&kernel) == 0) context.kernel_release = kernel.release;
  context.utc_minus_boottime_ns.set(utc_minus_boottime_ns());
  return context;
}

}  // namespace mtlswatch
