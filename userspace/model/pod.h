// SPDX-License-Identifier: Apache-2.0
// Containers and pods: what a control group's path says of the container that a process runs in, and what the Kubernetes
// API says of the pods of this node.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "userspace/model/config.h"

namespace mtlswatch {

/// Which container a process runs in. Empty where the path names none.
struct ContainerIdentity {
  std::string id;       ///< 64 hexadecimal digits
  std::string runtime;  ///< "containerd", "cri-o", "docker", "podman"; empty: the path does not tell
  std::string pod_uid;  ///< of a static pod: its configuration's hash
  bool is_users = false;  ///< in the slice of a user, who may have named it as he liked: no pod's
};

/// Reads the path of a control group as systemd's and the cgroupfs driver name them, of v1 and v2. The outermost pod and
/// container count: what lies below them, its processes may have named themselves. So may users in their own slice.
ContainerIdentity container_of(std::string_view cgroup);

struct PodContainer {
  std::string id;  ///< as in ContainerIdentity
  std::string name;
  std::string image;
  std::string runtime;  ///< as in ContainerIdentity
};

struct Pod {
  std::string uid;
  std::string config_hash;  ///< of a static pod: what its control group is named by
  std::string name;
  std::string name_space;
  std::string node;
  std::string owner_kind;  ///< "Deployment", "DaemonSet", ...; empty: nobody's
  std::string owner_name;
  std::vector<std::string> addresses;
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> annotations;  ///< those that the configuration names
  std::vector<PodContainer> containers;

  /// Null where no status of a container has this id (yet).
  const PodContainer* container(const std::string& id) const;
};

/// By namespace, labels and annotations. Which container of it is meant is another question.
bool is_asked_for(const BackendMatch& match, const Pod& pod);

/// The pods of this node, and those that ended lately, for events that come late. A value, of bounded size.
class PodDirectory {
 public:
  static constexpr std::size_t kPods = 4096;
  static constexpr std::size_t kEnded = 1024;

  /// False: there is no room for one more.
  bool put(Pod pod);
  void remove(const std::string& uid);
  /// These are all that there are now.
  void replace(std::vector<Pod> pods);

  /// By the pod's uid; where the path tells none, by the container's id. Null: not known.
  const Pod* find(const ContainerIdentity& container) const;
  std::size_t size() const { return pods_.size() - ended_.size(); }
  /// Those that there are now; ended ones are none of them.
  std::vector<const Pod*> present() const;

 private:
  void forget(const std::string& uid);
  void index(const Pod& pod);

  std::unordered_map<std::string, Pod> pods_;  ///< by uid, ended ones too
  std::unordered_map<std::string, std::string> by_name_;  ///< configuration's hash, container's id -> uid
  std::deque<std::string> ended_;  ///< uids, the longest ended first
};

}  // namespace mtlswatch
