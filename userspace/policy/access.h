// SPDX-License-Identifier: Apache-2.0
// Who may come: allowed issuers and subjects of a backend and its paths, what is public on purpose, and exemptions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "userspace/model/config.h"
#include "userspace/model/verdict.h"

namespace mtlswatch {

/// A glob in which '*' is any run of characters and '?' any one; nothing else is special.
bool matches_glob(const std::string& pattern, const std::string& text);

/// What policy adds to a judged report: violations of an authenticated request, or the exemption that lets another go.
/// now_s: seconds since 1970 when the request came.
/// - Never exempt: an authenticated request, a spoofed identity, and any request with a claim that contradicts.
/// - A path that could be read in two ways is never exempt, and every path policy of its backend applies to it.
void apply_policy(const Config& config, std::int64_t now_s, RequestReport& report);

}  // namespace mtlswatch
