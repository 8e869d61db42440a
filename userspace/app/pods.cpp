// SPDX-License-Identifier: Apache-2.0
// The names of this node's pods, as the agent gets to know them.
#include <algorithm>

#include "userspace/app/agent.h"

namespace mtlswatch {

Status Agent::watch_pods(const AgentOptions& options) {
  context_.pods = &pods_;
  context_.cluster = options.config.kubernetes.cluster;
  if (options.config.kubernetes.node.empty()) return Done{};
  AnnotationNames annotations;
  for (const BackendConfig& backend : options.config.backends) {
    if (!backend.match) continue;
    for (const auto& [name, value] : backend.match->pod_annotations) annotations.insert(name);
  }
  auto watch = PodWatch::start(options.config.kubernetes, std::move(annotations));
  if (!watch) return watch.error();
  pod_watch_ = std::move(*watch);
  return Done{};
}

/// New names may tell which processes are backends, where pods are asked for.
void Agent::take_pods(std::uint64_t now_ns) {
  if (!pod_watch_) return;
  introspection_.note_kubernetes(pod_watch_->status());
  auto pods = pod_watch_->take();
  if (!pods) return;
  pods_ = std::move(*pods);
  watcher_.use_pods(pods_);
  const bool asks = std::any_of(config_.backends.begin(), config_.backends.end(),
                                [](const BackendConfig& backend) { return backend.match && backend.match->asks_for_a_pod(); });
  if (asks) want_scan(now_ns);
}

}  // namespace mtlswatch
