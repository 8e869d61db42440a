// SPDX-License-Identifier: Apache-2.0
#include "userspace/model/pod.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

namespace mtlswatch {
namespace {

constexpr std::size_t kContainerDigits = 64;
constexpr std::size_t kHashDigits = 32;
constexpr std::size_t kUuidLength = 36;

bool is_hex(std::string_view text) { return text.find_first_not_of("0123456789abcdef") == std::string_view::npos; }

bool contains_all(const std::map<std::string, std::string>& wanted, const std::map<std::string, std::string>& there) {
  return std::includes(there.begin(), there.end(), wanted.begin(), wanted.end());
}

/// What stands between "...pod" and ".slice": "_" is systemd's for "-". Empty: no pod's component.
std::string pod_uid_of(std::string_view component) {
  const auto begin = component.starts_with("pod") ? 0 : component.rfind("-pod");
  if (begin == std::string_view::npos) return {};
  std::string_view text = component.substr(begin + (begin == 0 ? 3 : 4));
  if (text.ends_with(".slice")) text.remove_suffix(6);
  std::string uid(text);
  std::replace(uid.begin(), uid.end(), '_', '-');
  if (uid.size() == kHashDigits && is_hex(uid)) return uid;
  const bool is_uuid = uid.size() == kUuidLength && uid[8] == '-' && uid[13] == '-' && uid[18] == '-' && uid[23] == '-';
  std::string digits = uid;
  std::erase(digits, '-');
  return is_uuid && digits.size() == kHashDigits && is_hex(digits) ? uid : "";
}

std::string runtime_of(std::string_view prefix) {
  constexpr std::array<std::pair<std::string_view, const char*>, 4> kRuntimes = {
      {{"cri-containerd", "containerd"}, {"crio", "cri-o"}, {"docker", "docker"}, {"libpod", "podman"}}};
  for (const auto& [name, runtime] : kRuntimes) {
    if (prefix == name) return runtime;
  }
  return {};
}

/// "cri-containerd-ID.scope", "ID"; the component before it is the prefix of a bare ID.
bool read_container(std::string_view component, std::string_view before, ContainerIdentity& found) {
  if (component.ends_with(".scope")) component.remove_suffix(6);
  if (component.size() < kContainerDigits) return false;
  const std::string_view id = component.substr(component.size() - kContainerDigits);
  std::string_view prefix = component.substr(0, component.size() - kContainerDigits);
  if (!is_hex(id) || (!prefix.empty() && !prefix.ends_with('-'))) return false;
  if (!prefix.empty()) prefix.remove_suffix(1);
  if (prefix == "crio-conmon" || prefix == "libpod-conmon") return false;  // who watches over a container is not in it
  found.id = id;
  found.runtime = runtime_of(prefix.empty() ? before : prefix);
  return true;
}

}  // namespace

ContainerIdentity container_of(std::string_view cgroup) {
  ContainerIdentity found;
  std::string_view before;
  while (!cgroup.empty()) {
    const auto end = std::min(cgroup.find_first_of("/:"), cgroup.size());
    const std::string_view component = cgroup.substr(0, end);
    cgroup.remove_prefix(std::min(end + 1, cgroup.size()));
    found.is_users |= component == "user.slice" && found.pod_uid.empty() && found.id.empty();
    if (const std::string uid = found.pod_uid.empty() && !found.is_users ? pod_uid_of(component) : ""; !uid.empty()) {
      found = {{}, {}, uid, false};  // an identity above the pod is that of the node, where that is a container itself
    } else if (found.id.empty()) {
      read_container(component, before, found);
    }
    before = component;
  }
  return found;
}

const PodContainer* Pod::container(const std::string& id) const {
  const auto entry = std::find_if(containers.begin(), containers.end(), [&](const PodContainer& item) { return item.id == id; });
  return id.empty() || entry == containers.end() ? nullptr : &*entry;
}

bool is_asked_for(const BackendMatch& match, const Pod& pod) {
  return (match.pod_namespace.empty() || match.pod_namespace == pod.name_space) && contains_all(match.pod_labels, pod.labels) &&
         contains_all(match.pod_annotations, pod.annotations);
}

bool PodDirectory::put(Pod pod) {
  const bool is_known = pods_.contains(pod.uid);
  if (!is_known && size() >= kPods) return false;
  if (is_known) forget(pod.uid);
  index(pod);
  pods_[pod.uid] = std::move(pod);
  return true;
}

void PodDirectory::remove(const std::string& uid) {
  if (!pods_.contains(uid) || std::find(ended_.begin(), ended_.end(), uid) != ended_.end()) return;
  ended_.push_back(uid);
  if (ended_.size() > kEnded) forget(std::string(ended_.front()));
}

void PodDirectory::replace(std::vector<Pod> pods) {
  std::set<std::string> present, known;
  for (const Pod& pod : pods) present.insert(pod.uid);
  for (const auto& [uid, pod] : pods_) known.insert(uid);
  for (const std::string& uid : known) {
    if (!present.contains(uid)) remove(uid);
  }
  for (Pod& pod : pods) put(std::move(pod));
}

const Pod* PodDirectory::find(const ContainerIdentity& container) const {
  const std::string& key = container.pod_uid.empty() ? container.id : container.pod_uid;
  if (key.empty() || container.is_users) return nullptr;
  const auto alias = by_name_.find(key);
  const auto pod = pods_.find(alias == by_name_.end() ? key : alias->second);
  return pod == pods_.end() ? nullptr : &pod->second;
}

std::vector<const Pod*> PodDirectory::present() const {
  const std::set<std::string> ended(ended_.begin(), ended_.end());
  std::vector<const Pod*> found;
  for (const auto& [uid, pod] : pods_) {
    if (!ended.contains(uid)) found.push_back(&pod);
  }
  return found;
}

void PodDirectory::forget(const std::string& uid) {
  const Pod& pod = pods_.at(uid);
  by_name_.erase(pod.config_hash);
  for (const PodContainer& container : pod.containers) by_name_.erase(container.id);
  pods_.erase(uid);
  std::erase(ended_, uid);
}

void PodDirectory::index(const Pod& pod) {
  if (!pod.config_hash.empty()) by_name_[pod.config_hash] = pod.uid;
  for (const PodContainer& container : pod.containers) by_name_[container.id] = pod.uid;
}

}  // namespace mtlswatch
