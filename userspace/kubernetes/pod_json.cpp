// SPDX-License-Identifier: Apache-2.0
#include "userspace/kubernetes/pod_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace mtlswatch {
namespace {

using nlohmann::json;

constexpr int kGone = 410;

// Most that is kept of one pod: what Kubernetes allows for names and labels, and far more of the rest than a pod has.
constexpr std::size_t kTextBytes = 512;
constexpr std::size_t kEntries = 64;
constexpr std::size_t kContainers = 128;

const json& at(const json& value, const char* key) {
  static const json kAbsent;
  const auto found = value.is_object() ? value.find(key) : value.end();
  return value.is_object() && found != value.end() ? *found : kAbsent;
}

std::string text(const json& value, std::size_t most = kTextBytes) {
  return value.is_string() ? value.get_ref<const std::string&>().substr(0, most) : "";
}

template <typename Wanted>
std::map<std::string, std::string> texts(const json& object, Wanted wanted) {
  std::map<std::string, std::string> found;
  if (!object.is_object()) return found;
  for (const auto& [key, value] : object.items()) {
    if (found.size() < kEntries && key.size() <= kTextBytes && value.is_string() && wanted(key)) found[key] = text(value);
  }
  return found;
}

/// As the pod asks for it, where the runtime tells nothing but a digest: "sha256:HEX".
std::string image_of(const json& status, const json& wanted) {
  std::string image = text(at(status, "image"));
  if (!image.starts_with("sha256:") || !wanted.is_array()) return image;
  const auto own = std::find_if(wanted.begin(), wanted.end(), [&](const json& each) { return at(each, "name") == at(status, "name"); });
  return own == wanted.end() ? image : text(at(*own, "image"));
}

/// wanted: those of the pod's specification.
void read_containers(const json& statuses, const json& wanted, Pod& pod) {
  if (!statuses.is_array()) return;
  for (const json& status : statuses) {
    const std::string address = text(at(status, "containerID"));  // "containerd://ID"
    const auto scheme = address.find("://");
    if (scheme == std::string::npos || pod.containers.size() == kContainers) continue;
    pod.containers.push_back({address.substr(scheme + 3), text(at(status, "name")), image_of(status, wanted), address.substr(0, scheme)});
  }
}

/// A ReplicaSet that a Deployment made is named by it and by the hash of its template.
void read_owner(const json& metadata, Pod& pod) {
  const json& owners = at(metadata, "ownerReferences");
  if (!owners.is_array()) return;
  for (const json& owner : owners) {
    if (at(owner, "controller") != true) continue;
    pod.owner_kind = text(at(owner, "kind"));
    pod.owner_name = text(at(owner, "name"));
  }
  const auto hash = pod.labels.find("pod-template-hash");
  if (pod.owner_kind != "ReplicaSet" || hash == pod.labels.end() || !pod.owner_name.ends_with("-" + hash->second)) return;
  pod.owner_kind = "Deployment";
  pod.owner_name.resize(pod.owner_name.size() - hash->second.size() - 1);
}

void read_addresses(const json& status, Pod& pod) {
  const json& addresses = at(status, "podIPs");
  if (!addresses.is_array()) return;
  for (const json& address : addresses) {
    const std::string ip = text(at(address, "ip"));
    if (!ip.empty() && pod.addresses.size() < kEntries) pod.addresses.push_back(ip);
  }
}

Pod pod_of(const json& object, const AnnotationNames& annotations) {
  const json& metadata = at(object, "metadata");
  const json& spec = at(object, "spec");
  const json& status = at(object, "status");
  Pod pod;
  pod.uid = text(at(metadata, "uid"));
  pod.name = text(at(metadata, "name"));
  pod.name_space = text(at(metadata, "namespace"));
  pod.node = text(at(spec, "nodeName"));
  pod.config_hash = text(at(at(metadata, "annotations"), "kubernetes.io/config.hash"));
  pod.labels = texts(at(metadata, "labels"), [](const std::string&) { return true; });
  pod.annotations = texts(at(metadata, "annotations"), [&](const std::string& key) { return annotations.contains(key); });
  read_owner(metadata, pod);
  read_addresses(status, pod);
  read_containers(at(status, "containerStatuses"), at(spec, "containers"), pod);
  read_containers(at(status, "initContainerStatuses"), at(spec, "initContainers"), pod);
  read_containers(at(status, "ephemeralContainerStatuses"), at(spec, "ephemeralContainers"), pod);
  return pod;
}

Result<json> parse(std::string_view bytes) {
  json value = json::parse(bytes, nullptr, false);
  if (!value.is_object()) return Error{"the API server's answer is no JSON object"};
  return value;
}

PodChange::Kind kind_of(const std::string& type) {
  if (type == "ADDED" || type == "MODIFIED") return PodChange::Kind::kPresent;
  if (type == "DELETED") return PodChange::Kind::kDeleted;
  return type == "BOOKMARK" ? PodChange::Kind::kBookmark : PodChange::Kind::kError;
}

}  // namespace

Result<PodPage> read_pod_page(std::string_view body, const AnnotationNames& annotations) {
  const auto list = parse(body);
  if (!list) return list.error();
  const json& items = at(*list, "items");
  PodPage page;
  page.resource_version = text(at(at(*list, "metadata"), "resourceVersion"));
  page.next = text(at(at(*list, "metadata"), "continue"), body.size());
  const bool is_list = items.is_array() || (items.is_null() && text(at(*list, "kind")) == "PodList");
  if (!is_list || page.resource_version.empty()) return Error{"the API server's answer is no list of pods"};
  for (const json& item : items) {
    Pod pod = pod_of(item, annotations);
    if (!pod.uid.empty()) page.pods.push_back(std::move(pod));
  }
  return page;
}

Result<PodChange> read_pod_change(std::string_view line, const AnnotationNames& annotations) {
  const auto event = parse(line);
  if (!event) return event.error();
  const json& object = at(*event, "object");
  PodChange change;
  change.kind = kind_of(text(at(*event, "type")));
  if (change.kind == PodChange::Kind::kError) {
    change.message = text(at(object, "message"));
    if (at(object, "code") == kGone) change.kind = PodChange::Kind::kExpired;
    return change;
  }
  change.resource_version = text(at(at(object, "metadata"), "resourceVersion"));
  if (change.resource_version.empty()) return Error{"an event of the watch has no resourceVersion"};
  if (change.kind == PodChange::Kind::kBookmark) return change;
  change.pod = pod_of(object, annotations);
  if (change.pod.uid.empty()) return Error{"an event of the watch is about no pod"};
  return change;
}

}  // namespace mtlswatch
