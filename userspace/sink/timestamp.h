// SPDX-License-Identifier: Apache-2.0
// Times as the output contract writes them: RFC 3339, UTC. Used by the event writers of this folder.
#pragma once

#include <cstdint>
#include <string>

namespace mtlswatch {

/// "2026-11-23T09:15:02.497215Z"; ns since 1970: 64 bits of them stay within the years 1677 to 2262.
std::string utc_microseconds(std::int64_t ns);
/// "2026-11-23T09:15:02Z"; seconds since 1970. Empty outside the years 0000 to 9999: RFC 3339 has four digits, and a
/// certificate may say anything.
std::string utc_seconds(std::int64_t seconds);

}  // namespace mtlswatch
