// SPDX-License-Identifier: Apache-2.0
#include "userspace/sink/timestamp.h"

#include <chrono>

namespace mtlswatch {
namespace {

constexpr std::int64_t kYear0 = -62'167'219'200;      // 0000-01-01T00:00:00Z
constexpr std::int64_t kYear10000 = 253'402'300'800;  // 10000-01-01T00:00:00Z

/// Overwrites the digits of text that end before `end`, the last first.
void write_digits(std::string& text, std::size_t end, int digits, std::int64_t value) {
  for (; digits > 0; --digits, value /= 10) text[--end] = static_cast<char>('0' + value % 10);
}

/// Writes "2026-11-23T09:15:02" over the beginning of text, for seconds within the two years above.
void write_date_and_time(std::string& text, std::int64_t seconds) {
  using std::chrono::floor;
  const std::chrono::sys_seconds moment{std::chrono::seconds(seconds)};
  const auto day = floor<std::chrono::days>(moment);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(moment - day);
  write_digits(text, 4, 4, static_cast<int>(date.year()));
  write_digits(text, 7, 2, static_cast<unsigned>(date.month()));
  write_digits(text, 10, 2, static_cast<unsigned>(date.day()));
  write_digits(text, 13, 2, time.hours().count());
  write_digits(text, 16, 2, time.minutes().count());
  write_digits(text, 19, 2, time.seconds().count());
}

}  // namespace

std::string utc_microseconds(std::int64_t ns) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  const std::int64_t fraction = (ns % kSecond + kSecond) % kSecond;
  const std::int64_t seconds = ns / kSecond - (ns % kSecond < 0 ? 1 : 0);
  std::string text = "0000-00-00T00:00:00.000000Z";
  write_date_and_time(text, seconds);
  write_digits(text, 26, 6, fraction / 1000);
  return text;
}

std::string utc_seconds(std::int64_t seconds) {
  if (seconds < kYear0 || seconds >= kYear10000) return {};
  std::string text = "0000-00-00T00:00:00Z";
  write_date_and_time(text, seconds);
  return text;
}

}  // namespace mtlswatch
