// SPDX-License-Identifier: Apache-2.0
// container, kubernetes, orchestrator: where a process runs. The names are those of ECS, and below kubernetes those that
// Elastic's agents write.
#include <algorithm>
#include <array>
#include <map>

#include "userspace/sink/ecs_fields.h"

namespace mtlswatch {
namespace {

/// "registry:5000/shop:1.2@sha256:..." has the name "registry:5000/shop" and the tag "1.2".
void write_image(JsonWriter& json, std::string_view image) {
  const auto object = json.object("image");
  image = image.substr(0, image.find('@'));
  const auto slash = image.rfind('/');
  const auto colon = image.find(':', slash == std::string_view::npos ? 0 : slash);
  json.text("name", image.substr(0, colon));
  if (colon != std::string_view::npos) json.texts("tag", {std::string(image.substr(colon + 1))});
}

void write_container(JsonWriter& json, const ContainerIdentity& identity, const PodContainer* container) {
  const auto object = json.object("container");
  json.text("id", identity.id);
  json.text("runtime", container != nullptr ? container->runtime : identity.runtime);
  if (container == nullptr) return;
  json.text("name", container->name);
  write_image(json, container->image);
}

void write_named(JsonWriter& json, std::string_view key, std::string_view name) {
  const auto object = json.object(key);
  json.text("name", name);
}

/// What the API server lets a label's name be made of, but for dots: those would make objects of the keys, and "app" could not
/// stand beside "app.kubernetes.io/name".
char plain_character(char character) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_/-";
  return kPlain.find(character) == std::string_view::npos ? '_' : character;
}

/// A key comes once: of "a.b" and "a_b" the first in order is told.
void write_labels(JsonWriter& json, const Pod& pod) {
  std::map<std::string, std::string_view> plain;
  for (const auto& [key, value] : pod.labels) {
    std::string name = key;
    std::transform(name.begin(), name.end(), name.begin(), plain_character);
    plain.emplace(std::move(name), value);
  }
  const auto labels = json.object("labels");
  for (const auto& [name, value] : plain) json.text(name, value);
}

/// kubernetes.deployment.name and its like; owners of other kinds are told by orchestrator.resource.parent alone.
void write_owner(JsonWriter& json, const Pod& pod) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kKinds = {{{"Deployment", "deployment"},
                                                                                    {"ReplicaSet", "replicaset"},
                                                                                    {"StatefulSet", "statefulset"},
                                                                                    {"DaemonSet", "daemonset"},
                                                                                    {"Job", "job"}}};
  for (const auto& [kind, key] : kKinds) {
    if (pod.owner_kind == kind) write_named(json, key, pod.owner_name);
  }
}

void write_kubernetes(JsonWriter& json, const std::string& uid, const Pod* pod, const PodContainer* container) {
  const auto object = json.object("kubernetes");
  if (pod != nullptr) json.text("namespace", pod->name_space);
  if (pod != nullptr) write_named(json, "node", pod->node);
  {
    const auto own = json.object("pod");
    if (pod != nullptr) json.text("name", pod->name);
    json.text("uid", uid);
    if (pod != nullptr && !pod->addresses.empty()) json.text("ip", pod->addresses.front());
  }
  if (container != nullptr) write_named(json, "container", container->name);
  if (pod == nullptr) return;
  write_owner(json, *pod);
  write_labels(json, *pod);
}

void write_orchestrator(JsonWriter& json, const std::string& cluster, const std::string& uid, const Pod* pod) {
  const auto object = json.object("orchestrator");
  json.text("type", "kubernetes");
  write_named(json, "cluster", cluster);
  if (pod != nullptr) json.text("namespace", pod->name_space);
  const auto resource = json.object("resource");
  json.text("type", "pod");
  json.text("id", uid);
  if (pod == nullptr) return;
  json.text("name", pod->name);
  json.texts("ip", pod->addresses);
  std::vector<std::string> labels;
  for (const auto& [key, value] : pod->labels) labels.push_back(key + ":" + value);
  json.texts("label", labels);
  const auto parent = json.object("parent");
  json.text("type", pod->owner_kind);
}

}  // namespace

void write_workload(JsonWriter& json, const SinkContext& context, const ProcessFacts& process) {
  const ContainerIdentity identity = container_of(process.cgroup);
  const Pod* pod = context.pods != nullptr ? context.pods->find(identity) : nullptr;
  const PodContainer* container = pod != nullptr ? pod->container(identity.id) : nullptr;
  const std::string& uid = pod != nullptr ? pod->uid : identity.pod_uid;
  write_container(json, identity, container);
  if (uid.empty()) return;
  write_kubernetes(json, uid, pod, container);
  write_orchestrator(json, context.cluster, uid, pod);
}

}  // namespace mtlswatch
