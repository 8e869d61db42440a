// SPDX-License-Identifier: Apache-2.0
#include "userspace/model/pod.h"

#include <gtest/gtest.h>

namespace mtlswatch {
namespace {

const std::string kId(64, 'a');
const std::string kOther(64, 'b');
const std::string kUid = "dde1244b-5bb5-4297-b544-85f3bc0d80bf";
const std::string kUnderscored = "dde1244b_5bb5_4297_b544_85f3bc0d80bf";
const std::string kHash = "6c0f2a9d1e5b4c3d8f7a6b5c4d3e2f10";

void expect(const std::string& cgroup, const std::string& id, const std::string& runtime, const std::string& uid) {
  const ContainerIdentity found = container_of(cgroup);
  EXPECT_EQ(found.id, id) << cgroup;
  EXPECT_EQ(found.runtime, runtime) << cgroup;
  EXPECT_EQ(found.pod_uid, uid) << cgroup;
}

TEST(ContainerOf, reads_systemds_and_the_cgroupfs_drivers_paths) {
  const std::string slice = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + kUnderscored + ".slice";
  expect(slice + "/cri-containerd-" + kId + ".scope", kId, "containerd", kUid);
  expect(slice + "/crio-" + kId + ".scope", kId, "cri-o", kUid);
  expect(slice + "/docker-" + kId + ".scope", kId, "docker", kUid);
  expect("/kubepods.slice/kubepods-pod" + kUnderscored + ".slice/cri-containerd-" + kId + ".scope", kId, "containerd", kUid);
  expect("/kubepods/burstable/pod" + kUid + "/" + kId, kId, "", kUid);
  expect("/kubepods/besteffort/pod" + kHash + "/" + kId, kId, "", kHash);
  expect("/../../kubepods-besteffort-pod" + kUnderscored + ".slice/cri-containerd-" + kId + ".scope", kId, "containerd", kUid);
  expect("/kubepods-burstable-pod" + kUnderscored + ".slice:cri-containerd:" + kId, kId, "containerd", kUid);
  expect("/system.slice:cri-containerd:" + kId, kId, "containerd", "");
}

TEST(ContainerOf, reads_containers_outside_of_pods) {
  expect("/system.slice/docker-" + kId + ".scope", kId, "docker", "");
  expect("/docker/" + kId, kId, "docker", "");
  expect("/machine.slice/libpod-" + kId + ".scope/container", kId, "podman", "");
  expect("/docker/" + kId + "/init.scope", kId, "docker", "");
}

TEST(ContainerOf, takes_the_pod_of_a_node_that_is_a_container) {
  expect("/docker/" + kOther + "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" + kUnderscored + ".slice/cri-containerd-" + kId + ".scope",
         kId, "containerd", kUid);
}

TEST(ContainerOf, believes_the_outermost_for_processes_name_what_is_below) {
  const std::string other = "11111111-2222-3333-4444-555555555555";
  expect("/kubepods/pod" + kUid + "/" + kId + "/kubepods/pod" + other + "/" + kOther, kId, "", kUid);
}

TEST(ContainerOf, knows_no_pod_in_a_users_own_slice) {
  expect("/user.slice/user-1000.slice/user@1000.service/kubepods/pod" + kUid + "/" + kId, kId, "", "");
}

TEST(ContainerOf, knows_the_pod_of_a_container_with_a_users_slice_in_it) {
  const auto found = container_of("/kubepods/pod" + kUid + "/" + kId + "/user.slice/user-1000.slice");
  EXPECT_EQ(found.pod_uid, kUid);
  EXPECT_FALSE(found.is_users);
}

TEST(ContainerOf, finds_nothing_where_there_is_no_container) {
  for (const char* cgroup : {"", "/", "/init.scope", "/system.slice/ssh.service", "/kubepods.slice/kubepods-pod.slice", "/podium/x"}) {
    expect(cgroup, "", "", "");
  }
  expect("/kubepods/pod" + kUid + "/crio-conmon-" + kId + ".scope", "", "", kUid);
  expect("/docker/" + kId.substr(1), "", "", "");
  expect("/docker/" + std::string(64, 'g'), "", "", "");
}

Pod pod(const std::string& uid, const std::string& name) {
  Pod made;
  made.uid = uid;
  made.name = name;
  return made;
}

TEST(PodDirectory, finds_by_uid_by_the_hash_of_a_static_pod_and_by_container) {
  PodDirectory pods;
  Pod made = pod(kUid, "shop");
  made.config_hash = kHash;
  made.containers = {{kId, "web", "shop:1", "containerd"}};
  ASSERT_TRUE(pods.put(made));
  for (const ContainerIdentity& identity : {ContainerIdentity{"", "", kUid}, {"", "", kHash}, {kId, "", ""}}) {
    ASSERT_NE(pods.find(identity), nullptr);
    EXPECT_EQ(pods.find(identity)->name, "shop");
  }
  EXPECT_EQ(pods.find({kId, "", "another"}), nullptr);
  EXPECT_EQ(pods.find({}), nullptr);
  EXPECT_EQ(pods.find({kId, "", "", true}), nullptr) << "a user's name for it";
}

TEST(PodDirectory, keeps_ended_pods_for_late_events_but_not_for_ever) {
  PodDirectory pods;
  pods.put(pod("first", "first"));
  pods.remove("first");
  pods.remove("first");
  EXPECT_EQ(pods.size(), 0u);
  EXPECT_NE(pods.find({"", "", "first"}), nullptr);
  for (std::size_t i = 0; i < PodDirectory::kEnded; ++i) {
    pods.put(pod(std::to_string(i), "later"));
    pods.remove(std::to_string(i));
  }
  EXPECT_EQ(pods.find({"", "", "first"}), nullptr);
  EXPECT_EQ(pods.size(), 0u);
}

TEST(PodDirectory, takes_a_list_for_all_that_there_are) {
  PodDirectory pods;
  pods.put(pod("gone", "gone"));
  pods.put(pod("kept", "kept"));
  pods.replace({pod("kept", "renamed"), pod("new", "new")});
  EXPECT_EQ(pods.size(), 2u);
  EXPECT_EQ(pods.find({"", "", "kept"})->name, "renamed");
  EXPECT_NE(pods.find({"", "", "gone"}), nullptr);
}

TEST(PodDirectory, is_bounded) {
  PodDirectory pods;
  for (std::size_t i = 0; i < PodDirectory::kPods; ++i) ASSERT_TRUE(pods.put(pod(std::to_string(i), "x")));
  EXPECT_FALSE(pods.put(pod("one more", "x")));
  EXPECT_TRUE(pods.put(pod("0", "renewed")));
  EXPECT_EQ(pods.size(), PodDirectory::kPods);
}

}  // namespace
}  // namespace mtlswatch
