// SPDX-License-Identifier: Apache-2.0
// Identities of events: made of what happened, so that a replay gives the same ones.
#pragma once

#include <cstdint>
#include <string>

namespace mtlswatch {

/// 32 lower-case hex digits: the time first, so that ids sort, then a mix (splitmix64) of what else distinguishes it.
inline std::string event_id(std::uint64_t time_ns, std::uint64_t id, std::uint64_t position) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::uint64_t mixed = id * 0x9e3779b97f4a7c15ull ^ position;
  mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9ull;
  mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebull;
  mixed ^= mixed >> 31;
  std::string text(32, '0');
  for (int digit = 0; digit < 16; ++digit) {
    text[15 - digit] = kDigits[time_ns >> 4 * digit & 0xf];
    text[31 - digit] = kDigits[mixed >> 4 * digit & 0xf];
  }
  return text;
}

}  // namespace mtlswatch
