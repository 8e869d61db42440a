// SPDX-License-Identifier: Apache-2.0
#include "userspace/kubernetes/pod_stream.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace mtlswatch {
namespace {

using nlohmann::json;
using State = PodStream::State;

json pod_object(const std::string& uid = "u1", const std::string& version = "7") {
  return {{"metadata",
           {{"uid", uid},
            {"name", "shop-5d4f-x"},
            {"namespace", "store"},
            {"resourceVersion", version},
            {"labels", {{"app", "shop"}, {"pod-template-hash", "5d4f"}}},
            {"annotations", {{"kubernetes.io/config.hash", "h1"}, {"wanted", "yes"}, {"other", "no"}}},
            {"ownerReferences", {{{"kind", "ReplicaSet"}, {"name", "shop-5d4f"}, {"controller", true}}}}}},
          {"spec", {{"nodeName", "n1"}}},
          {"status",
           {{"podIPs", {{{"ip", "10.1.0.2"}}, {{"ip", "fd00::2"}}}},
            {"containerStatuses", {{{"name", "web"}, {"image", "shop:1"}, {"containerID", "containerd://c1"}}, {{"name", "waiting"}}}},
            {"initContainerStatuses", {{{"name", "init"}, {"image", "i"}, {"containerID", "containerd://c0"}}}}}}};
}

std::string line(const std::string& type, const json& object) { return json{{"type", type}, {"object", object}}.dump() + "\n"; }

struct Stream {
  PodDirectory pods;
  AnnotationNames annotations{"wanted"};
  PodStream stream{pods, "1", annotations};
  const Pod* find(const std::string& uid) const { return pods.find({"", "", uid}); }
};

TEST(PodPage, keeps_what_events_tell_and_no_more) {
  const json list = {{"metadata", {{"resourceVersion", "9"}, {"continue", "more"}}}, {"items", {pod_object()}}};
  const auto page = read_pod_page(list.dump(), {"wanted"});
  ASSERT_TRUE(page);
  EXPECT_EQ(page->resource_version, "9");
  EXPECT_EQ(page->next, "more");
  ASSERT_EQ(page->pods.size(), 1u);
  const Pod& pod = page->pods[0];
  EXPECT_EQ(pod.name + "/" + pod.name_space + "/" + pod.node + "/" + pod.config_hash, "shop-5d4f-x/store/n1/h1");
  EXPECT_EQ(pod.owner_kind + "/" + pod.owner_name, "Deployment/shop");
  EXPECT_EQ(pod.annotations, (std::map<std::string, std::string>{{"wanted", "yes"}}));
  EXPECT_EQ(pod.addresses, (std::vector<std::string>{"10.1.0.2", "fd00::2"}));
  ASSERT_EQ(pod.containers.size(), 2u);
  EXPECT_EQ(pod.container("c1")->name, "web");
  EXPECT_EQ(pod.container("c0")->name, "init");
}

TEST(PodPage, names_the_replica_set_that_no_deployment_made) {
  json object = pod_object();
  object["metadata"]["ownerReferences"][0]["name"] = "by-hand";
  const auto page = read_pod_page(json{{"metadata", {{"resourceVersion", "9"}}}, {"items", {object}}}.dump(), {});
  EXPECT_EQ(page->pods.at(0).owner_kind + "/" + page->pods.at(0).owner_name, "ReplicaSet/by-hand");
}

TEST(PodPage, tells_the_image_by_its_name_where_the_runtime_tells_a_digest_alone) {
  json object = pod_object();
  object["spec"]["containers"] = {{{"name", "other"}, {"image", "other:2"}}, {{"name", "web"}, {"image", "shop:3"}}};
  object["status"]["containerStatuses"][0]["image"] = "sha256:" + std::string(64, 'a');
  object["status"]["initContainerStatuses"][0]["image"] = "sha256:" + std::string(64, 'b');
  const auto page = read_pod_page(json{{"metadata", {{"resourceVersion", "9"}}}, {"items", {object}}}.dump(), {});
  EXPECT_EQ(page->pods.at(0).container("c1")->image, "shop:3");
  EXPECT_EQ(page->pods.at(0).container("c0")->image, "sha256:" + std::string(64, 'b')) << "the specification names no such container";
}

TEST(PodPage, refuses_what_is_no_list) {
  for (const char* body : {"", "[]", "{}", "{\"kind\":\"Status\"}", "{\"items\":[]}", "{\"items\":[],\"metadata\":{}}", "{\"items\":", "\xff"}) {
    EXPECT_FALSE(read_pod_page(body, {})) << body;
  }
}

TEST(PodStream, follows_pods_through_their_life) {
  Stream s;
  EXPECT_EQ(s.stream.take(line("ADDED", pod_object("u1", "7"))), State::kGoing);
  EXPECT_TRUE(s.stream.take_news());
  EXPECT_EQ(s.pods.size(), 1u);
  json renamed = pod_object("u1", "8");
  renamed["metadata"]["labels"]["app"] = "till";
  s.stream.take(line("MODIFIED", renamed));
  EXPECT_EQ(s.find("u1")->labels.at("app"), "till");
  s.stream.take(line("DELETED", pod_object("u1", "9")));
  EXPECT_EQ(s.pods.size(), 0u);
  EXPECT_EQ(s.stream.resource_version(), "9");
}

TEST(PodStream, counts_pods_for_which_there_is_no_room) {
  Stream s;
  for (std::size_t i = 0; i < PodDirectory::kPods + 2; ++i) s.stream.take(line("ADDED", pod_object("u" + std::to_string(i))));
  EXPECT_EQ(s.pods.size(), PodDirectory::kPods);
  EXPECT_EQ(s.stream.refused(), 2u);
}

TEST(PodStream, moves_on_with_bookmarks_without_news) {
  Stream s;
  EXPECT_EQ(s.stream.take(line("BOOKMARK", {{"metadata", {{"resourceVersion", "55"}}}})), State::kGoing);
  EXPECT_EQ(s.stream.resource_version(), "55");
  EXPECT_FALSE(s.stream.take_news());
  EXPECT_EQ(s.stream.changes(), 1u);
}

TEST(PodStream, reads_what_comes_in_drips) {
  Stream s;
  for (const char byte : line("ADDED", pod_object()) + "\r\n" + line("ADDED", pod_object("u2"))) {
    ASSERT_EQ(s.stream.take({&byte, 1}), State::kGoing);
  }
  EXPECT_EQ(s.pods.size(), 2u);
}

TEST(PodStream, waits_for_the_end_of_a_line_that_was_cut) {
  Stream s;
  const std::string whole = line("ADDED", pod_object());
  EXPECT_EQ(s.stream.take(whole.substr(0, whole.size() / 2)), State::kGoing);
  EXPECT_EQ(s.pods.size(), 0u);
  EXPECT_EQ(s.stream.resource_version(), "1");
}

TEST(PodStream, knows_that_it_has_expired) {
  Stream s;
  EXPECT_EQ(s.stream.take(line("ERROR", {{"kind", "Status"}, {"code", 410}, {"message", "too old"}})), State::kExpired);
  EXPECT_EQ(s.stream.take(line("ADDED", pod_object())), State::kExpired);
  EXPECT_EQ(s.pods.size(), 0u);
}

TEST(PodStream, gives_up_what_is_no_watch) {
  for (const std::string& text : {std::string("garbage\n"), std::string("[]\n"), line("ADDED", {}), line("ADDED", {{"metadata", {{"resourceVersion", "1"}}}}),
                                  line("NEWS", pod_object()), line("ERROR", {{"code", 500}, {"message", "x"}})}) {
    Stream s;
    EXPECT_EQ(s.stream.take(text), State::kBroken) << text;
    EXPECT_FALSE(s.stream.error().empty());
  }
}

TEST(PodStream, bounds_a_line_that_never_ends) {
  Stream s;
  const std::string chunk(1u << 20, 'x');
  State state = State::kGoing;
  for (int i = 0; i < 8 && state == State::kGoing; ++i) state = s.stream.take(chunk);
  EXPECT_EQ(state, State::kBroken);
}

}  // namespace
}  // namespace mtlswatch
