// SPDX-License-Identifier: Apache-2.0
#include "userspace/sink/timestamp.h"

#include <fmt/format.h>

#include <chrono>

namespace mtlswatch {
namespace {

constexpr std::int64_t kYear0 = -62'167'219'200;      // 0000-01-01T00:00:00Z
constexpr std::int64_t kYear10000 = 253'402'300'800;  // 10000-01-01T00:00:00Z

/// "2026-11-23T09:15:02", for seconds within the two years above.
std::string date_and_time(std::int64_t seconds) {
  using std::chrono::floor;
  const std::chrono::sys_seconds moment{std::chrono::seconds(seconds)};
  const auto day = floor<std::chrono::days>(moment);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(moment - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), time.hours().count(),
                     time.minutes().count(), time.seconds().count());
}

}  // namespace

std::string utc_microseconds(std::int64_t ns) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  const std::int64_t fraction = (ns % kSecond + kSecond) % kSecond;
  const std::int64_t seconds = ns / kSecond - (ns % kSecond < 0 ? 1 : 0);
  return fmt::format("{}.{:06}Z", date_and_time(seconds), fraction / 1000);
}

std::string utc_seconds(std::int64_t seconds) {
  if (seconds < kYear0 || seconds >= kYear10000) return {};
  return date_and_time(seconds) + "Z";
}

}  // namespace mtlswatch
