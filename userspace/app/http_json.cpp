// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/http_json.h"

#include <nlohmann/json.hpp>

#include "userspace/app/own_process.h"
#include "userspace/sink/metrics.h"

namespace mtlswatch {
namespace {

using nlohmann::json;

HttpAnswer as_json(int status, const json& body) {
  return {status, "application/json", body.dump(-1, ' ', false, json::error_handler_t::replace) + "\n"};
}

HttpAnswer health(const PublishedStatus& published, std::uint64_t now_ns) {
  const std::uint64_t turned_ns = published.last_turn_ns();
  const std::uint64_t idle_ns = now_ns > turned_ns ? now_ns - turned_ns : 0;
  const bool is_alive = turned_ns != 0 && idle_ns < kStuckNs;
  return as_json(is_alive ? 200 : 503, {{"status", is_alive ? "ok" : "stuck"},
                                        {"last_turn_seconds_ago", static_cast<double>(idle_ns) / 1e9}});
}

HttpAnswer readiness(const AgentStatus& status) {
  const bool is_ready = status.now_ns != 0 && status.is_ready();
  json failing = json::array();
  for (const HealthCheck& check : status.checks) {
    if (!check.ok) failing.push_back({{"check", check.name}, {"needed", check.needed}, {"reason", check.detail}});
  }
  const char* text = !is_ready ? "not ready" : status.is_degraded() ? "degraded" : "ready";
  return as_json(is_ready ? 200 : 503, {{"status", text}, {"failing", failing}});
}

}  // namespace

HttpAnswer answer_http(const std::string& path, const PublishedStatus& published, std::uint64_t now_ns) {
  const auto status = published.get();
  if (path == "/metrics") return {200, "text/plain; version=0.0.4; charset=utf-8", metrics_text(*status, own_usage())};
  if (path == "/healthz") return health(published, now_ns);
  if (path == "/readyz") return readiness(*status);
  if (path == "/version") return as_json(200, {{"version", status->version}});
  return {404, "text/plain; charset=utf-8", "/metrics, /healthz, /readyz, /version\n"};
}

}  // namespace mtlswatch
