// SPDX-License-Identifier: Apache-2.0
#include "userspace/probe/process_rules.h"

#include <fnmatch.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "userspace/probe/proc_reader.h"

namespace mtlswatch {
namespace {

constexpr std::array<std::string_view, 4> kSocketHolders = {"systemd", "init", "docker-proxy", "rootlessport"};
constexpr std::array<std::string_view, 10> kInterpreters = {"python", "pypy", "perl", "ruby", "node",
                                                            "java",   "php",  "lua",  "bash", "dash"};

/// A pod that is not known, or not yet, is none of those that are asked for.
bool runs_in(const BackendMatch& match, const std::string& cgroup, const PodDirectory& pods) {
  const ContainerIdentity identity = container_of(cgroup);
  const Pod* pod = pods.find(identity);
  if (pod == nullptr || !is_asked_for(match, *pod)) return false;
  const PodContainer* container = pod->container(identity.id);
  return match.container.empty() || (container != nullptr && container->name == match.container);
}

/// All conditions that are given hold, and at least one is given.
bool holds(const BackendMatch& match, const ProcessFacts& facts, const std::string& command_line, const PodDirectory& pods) {
  const bool asks = !match.executable.empty() || !match.command_line.empty() || !match.cgroup.empty() || match.uid;
  if (!asks && !match.asks_for_a_pod()) return false;
  if (!match.executable.empty() && match.executable != facts.executable) return false;
  if (!match.command_line.empty() && command_line.find(match.command_line) == std::string::npos) return false;
  if (!match.cgroup.empty() && ::fnmatch(match.cgroup.c_str(), facts.cgroup.c_str(), 0) != 0) return false;
  if (match.uid && *match.uid != facts.uid) return false;
  return !match.asks_for_a_pod() || runs_in(match, facts.cgroup, pods);
}

bool is_interpreter(const std::string& executable) {
  const std::string name = base_name(executable);
  return std::any_of(kInterpreters.begin(), kInterpreters.end(),
                     [&](std::string_view prefix) { return name.starts_with(prefix); });
}

const FrontConfig* configured_front(const std::vector<FrontConfig>& fronts, const ProcessFacts& facts) {
  for (const FrontConfig& front : fronts) {
    if (!facts.executable.empty() && front.executable == facts.executable && (!front.uid || *front.uid == facts.uid))
      return &front;
  }
  return nullptr;
}

}  // namespace

bool serves(const Endpoint& configured, const Endpoint& listener) {
  if (configured.is_unix() || listener.is_unix()) return configured.path == listener.path;
  if (configured.port != listener.port) return false;
  if (configured.ip.is_unspecified() || configured.ip == listener.ip) return true;
  return listener.ip.is_unspecified() && (!listener.ip.is_v4 || configured.ip.is_v4);
}

bool holds_sockets_for_others(const std::string& executable) {
  const std::string name = base_name(executable);
  return std::find(kSocketHolders.begin(), kSocketHolders.end(), name) != kSocketHolders.end();
}

std::string known_proxy(const ProcessFacts& facts) {
  const std::string name = base_name(facts.executable);
  if (facts.front && (name == "nginx" || name == "haproxy")) return name;
  // Their threads are the same whoever runs them, but a name alone tells nothing.
  const bool is_genuine = facts.front || facts.executable_root_owned;
  if (is_genuine && (name == "apache2" || name == "httpd")) return "apache";
  if (is_genuine && (name == "stunnel" || name == "stunnel4")) return "stunnel";
  if (name == "varnishd") return "varnish";
  return name == "docker-proxy" || name == "rootlessport" ? "relay" : "";
}

BackendMatched configured_backend(const std::vector<BackendConfig>& backends, const ProcessFacts& facts,
                                  const std::string& command_line, const PodDirectory& pods) {
  const bool for_others = holds_sockets_for_others(facts.executable);
  for (const BackendConfig& backend : backends) {
    if (backend.match && holds(*backend.match, facts, command_line, pods))
      return {backend.name, "configured: its match holds"};
    if (for_others) continue;
    for (const Endpoint& configured : backend.listen) {
      const auto found = std::find_if(facts.listeners.begin(), facts.listeners.end(),
                                      [&](const Endpoint& listener) { return serves(configured, listener); });
      if (found != facts.listeners.end()) return {backend.name, "configured: listens on " + found->text()};
    }
  }
  return {};
}

bool is_system_uid(std::uint32_t uid) { return uid < 1000; }

FrontJudged judge_front(const std::vector<FrontConfig>& fronts, const ProcessFacts& facts,
                        const FrontEvidence& evidence) {
  const bool discovered = facts.executable_root_owned && evidence.system_listener;
  if (const FrontConfig* configured = configured_front(fronts, facts)) {
    if (configured->uid || evidence.host_file || discovered) return {true, "configured"};
    return {false, "configured by path, but the host has another file there: add its uid to the configuration"};
  }
  if (!evidence.listens) return {};
  if (!facts.backend.empty()) return {false, "a backend"};
  if (holds_sockets_for_others(facts.executable)) return {false, "holds sockets for other processes"};
  if (is_interpreter(facts.executable)) return {false, "an interpreter: its program's owner is unknown"};
  if (!facts.executable_root_owned) return {false, "its executable is not root's alone"};
  if (!evidence.system_listener) return {false, "its listeners belong to no system user"};
  return {true, "an executable of root's with a system user's listener"};
}

}  // namespace mtlswatch
