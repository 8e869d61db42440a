// SPDX-License-Identifier: Apache-2.0
// What each path of the HTTP server answers. Any thread.
#pragma once

#include "userspace/app/http_server.h"
#include "userspace/app/published_status.h"

namespace mtlswatch {

/// Without a turn for this long the event loop is stuck: /healthz fails.
inline constexpr std::uint64_t kStuckNs = 20'000'000'000;

/// /metrics, /healthz (the event loop turns), /readyz (everything needed is watched), /version; 404 for others.
HttpAnswer answer_http(const std::string& path, const PublishedStatus& published, std::uint64_t now_ns);

}  // namespace mtlswatch
