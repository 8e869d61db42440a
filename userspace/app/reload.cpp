// SPDX-License-Identifier: Apache-2.0
// SIGHUP: all of the new configuration, or nothing of it.
#include "userspace/app/reload.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "userspace/app/agent.h"
#include "userspace/app/config_loader.h"
#include "userspace/app/host.h"
#include "userspace/base/capabilities.h"

namespace mtlswatch {
namespace {

constexpr int kFinishMs = 2000;

/// A configuration that holds one key of another and is the default otherwise.
using OneKey = Config (*)(const Config&);

Config only_backends(const Config& config) {
  Config only;
  for (const BackendConfig& backend : config.backends) {
    BackendConfig& kept = only.backends.emplace_back();
    kept.name = backend.name;
    kept.listen = backend.listen;
    kept.match = backend.match;
  }
  return only;
}

template <auto Member>
Config only(const Config& config) {
  Config result;
  result.*Member = config.*Member;
  return result;
}

bool differ(OneKey one_key, const Config& running, const Config& wanted) {
  return effective_config(one_key(running)) != effective_config(one_key(wanted));
}

}  // namespace

std::vector<std::string> keys_that_need_a_restart(const Config& running, const Config& wanted) {
  static constexpr std::pair<const char*, OneKey> kKeys[] = {{"backends (name, listen, match)", only_backends},
                                                             {"fronts", only<&Config::fronts>},
                                                             {"identity_headers", only<&Config::identity_headers>},
                                                             {"http", only<&Config::http_listen>},
                                                             {"admin", only<&Config::admin_socket>},
                                                             {"kubernetes", only<&Config::kubernetes>},
                                                             {"limits", only<&Config::limits>}};
  std::vector<std::string> keys;
  for (const auto& [key, one_key] : kKeys) {
    if (differ(one_key, running, wanted)) keys.emplace_back(key);
  }
  return keys;
}

bool outputs_differ(const Config& running, const Config& wanted) {
  return running.write_query != wanted.write_query || differ(only<&Config::outputs>, running, wanted);
}

void Agent::reload() {
  service_manager_.reloading();
  const Status status = take_over_configuration();
  service_manager_.reloaded();
  introspection_.note_reload(status ? "" : status.error().message, boottime_ns());
  if (status) return spdlog::info("SIGHUP: the new configuration is in effect");
  spdlog::error("SIGHUP: nothing has changed: {}", status.error().message);
}

Status Agent::take_over_configuration() {
  const auto config = load_config(source_);
  if (!config) return config.error();
  const auto keys = keys_that_need_a_restart(config_, *config);
  if (!keys.empty()) return Error{fmt::format("{} need a restart", fmt::join(keys, ", "))};
  if (outputs_differ(config_, *config)) {
    if (const Status status = replace_outputs(*config); !status) return status;
  }
  if (recording_) {
    const Status status = recording_->write(FrameType::kConfig, effective_config(*config));
    if (!status) spdlog::error("{}", status.error().message);
  }
  config_ = *config;
  pipeline_.reconfigure(config_);
  return Done{};
}

/// The old ones end on a thread of their own: a slow peer does not hold up the new ones.
Status Agent::replace_outputs(const Config& config) {
  SinkContext context = context_;
  context.write_query = config.write_query;
  context.sequence = outputs_->sequence();
  auto outputs = Outputs::open(config, context);
  if (!outputs) return outputs.error();
  std::erase_if(ending_, [](const std::future<void>& done) {
    return done.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  });
  ending_.push_back(std::async(std::launch::async, [old = std::make_shared<Outputs>(std::move(*outputs_))] {
    static_cast<void>(keep_capabilities({}));  // giving all away is never refused
    old->finish(kFinishMs);
  }));
  outputs_.emplace(std::move(*outputs));
  context_.write_query = config.write_query;
  return Done{};
}

}  // namespace mtlswatch
