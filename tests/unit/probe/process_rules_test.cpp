// SPDX-License-Identifier: Apache-2.0
#include "userspace/probe/process_rules.h"

#include <gtest/gtest.h>

namespace mtlswatch {
namespace {

bool serves_text(const char* configured, const char* listener) {
  return serves(*parse_endpoint(configured), *parse_endpoint(listener));
}

TEST(Serves, takes_an_unspecified_configured_address_for_every_local_one) {
  EXPECT_TRUE(serves_text("0.0.0.0:8000", "127.0.0.1:8000"));
  EXPECT_TRUE(serves_text("0.0.0.0:8000", "[::1]:8000"));
  EXPECT_TRUE(serves_text("[::]:8000", "10.0.0.1:8000"));
  EXPECT_FALSE(serves_text("0.0.0.0:8000", "127.0.0.1:8001"));
}

TEST(Serves, takes_a_listener_on_every_address_for_a_configured_one) {
  EXPECT_TRUE(serves_text("127.0.0.1:8000", "0.0.0.0:8000"));
  EXPECT_TRUE(serves_text("127.0.0.1:8000", "[::]:8000"));
  EXPECT_TRUE(serves_text("[::1]:8000", "[::]:8000"));
  EXPECT_FALSE(serves_text("[::1]:8000", "0.0.0.0:8000"));
  EXPECT_FALSE(serves_text("127.0.0.1:8000", "127.0.0.2:8000"));
}

TEST(Serves, compares_unix_paths_whole) {
  EXPECT_TRUE(serves_text("unix:/run/app.sock", "unix:/run/app.sock"));
  EXPECT_FALSE(serves_text("unix:/run/app.sock", "unix:/run/app.sock2"));
  EXPECT_FALSE(serves_text("0.0.0.0:8000", "unix:/run/app.sock"));
  EXPECT_FALSE(serves_text("unix:/run/app.sock", "0.0.0.0:8000"));
}

ProcessFacts process() {
  ProcessFacts facts;
  facts.executable = "/usr/bin/app";
  facts.cgroup = "/system.slice/shop.service";
  facts.uid = 33;
  return facts;
}

std::string matched(const BackendMatch& match) {
  BackendConfig backend;
  backend.name = "shop";
  backend.match = match;
  return configured_backend({backend}, process(), "app --serve", {}).name;
}

TEST(ConfiguredBackend, is_told_by_its_pod_where_that_is_known) {
  const std::string id(64, 'a');
  const std::string uid = "dde1244b-5bb5-4297-b544-85f3bc0d80bf";
  Pod pod;
  pod.uid = uid;
  pod.name_space = "store";
  pod.labels = {{"app", "shop"}, {"tier", "web"}};
  pod.annotations = {{"example.org/mtls", "required"}};
  pod.containers = {{id, "web", "shop:1", "containerd"}};
  PodDirectory pods;
  pods.put(pod);
  ProcessFacts inside = process();
  inside.cgroup = "/kubepods/pod" + uid + "/" + id;
  const auto name = [&](void (*change)(BackendMatch&), const ProcessFacts& facts, const PodDirectory& known) {
    BackendConfig backend;
    backend.name = "shop";
    backend.match.emplace();
    backend.match->pod_labels = {{"app", "shop"}};
    backend.match->pod_annotations = {{"example.org/mtls", "required"}};
    backend.match->pod_namespace = "store";
    backend.match->container = "web";
    change(*backend.match);
    return configured_backend({backend}, facts, "app --serve", known).name;
  };
  const auto as_it_is = [](BackendMatch&) {};
  EXPECT_EQ(name(as_it_is, inside, pods), "shop");
  EXPECT_EQ(name(as_it_is, inside, {}), "");
  EXPECT_EQ(name(as_it_is, process(), pods), "");
  EXPECT_EQ(name([](BackendMatch& match) { match.pod_labels["app"] = "till"; }, inside, pods), "");
  EXPECT_EQ(name([](BackendMatch& match) { match.pod_annotations["other"] = "x"; }, inside, pods), "");
  EXPECT_EQ(name([](BackendMatch& match) { match.pod_namespace = "else"; }, inside, pods), "");
  EXPECT_EQ(name([](BackendMatch& match) { match.container = "sidecar"; }, inside, pods), "");
  EXPECT_EQ(name([](BackendMatch& match) { match.uid = 34; }, inside, pods), "");
}

TEST(ConfiguredBackend, wants_every_condition_that_is_given) {
  EXPECT_EQ(matched({"/usr/bin/app", "--serve", "/system.slice/shop*", 33}), "shop");
  EXPECT_EQ(matched({"/usr/bin/other", "--serve", "/system.slice/shop*", 33}), "");
  EXPECT_EQ(matched({"/usr/bin/app", "--quit", "/system.slice/shop*", 33}), "");
  EXPECT_EQ(matched({"/usr/bin/app", "--serve", "/user.slice/*", 33}), "");
  EXPECT_EQ(matched({"/usr/bin/app", "--serve", "/system.slice/shop*", 34}), "");
}

TEST(ConfiguredBackend, matches_by_one_condition_alone_and_by_none_never) {
  EXPECT_EQ(matched({"", "", "", 33}), "shop");
  EXPECT_EQ(matched({"", "", "*shop.service", {}}), "shop");
  EXPECT_EQ(matched({"", "", "", {}}), "");
}

ProcessFacts trusted_process(const std::string& executable) {
  ProcessFacts facts;
  facts.executable = executable;
  facts.executable_root_owned = true;
  return facts;
}
constexpr FrontEvidence kSystem{.system_listener = true, .listens = true, .host_file = false};

TEST(Front, is_roots_executable_with_a_system_listener) {
  EXPECT_TRUE(judge_front({}, trusted_process("/usr/sbin/haproxy"), kSystem).front);
  EXPECT_FALSE(judge_front({}, trusted_process("/usr/sbin/haproxy"), {}).front);
  EXPECT_FALSE(
      judge_front({}, trusted_process("/usr/sbin/haproxy"), {.system_listener = false, .listens = true}).front);
}

TEST(Front, is_no_backend_and_no_interpreter_by_discovery) {
  ProcessFacts backend = trusted_process("/usr/sbin/haproxy");
  backend.backend = "shop";
  EXPECT_FALSE(judge_front({}, backend, kSystem).front);
  EXPECT_FALSE(judge_front({}, trusted_process("/usr/bin/python3.11"), kSystem).front);
  EXPECT_FALSE(judge_front({}, trusted_process("/usr/bin/docker-proxy"), kSystem).front);
}

TEST(Front, may_be_configured_whatever_it_is) {
  const std::vector<FrontConfig> fronts = {{"/usr/bin/python3.11", 33}};
  ProcessFacts facts = trusted_process("/usr/bin/python3.11");
  facts.uid = 33;
  EXPECT_TRUE(judge_front(fronts, facts, kSystem).front);
  facts.uid = 34;
  EXPECT_FALSE(judge_front(fronts, facts, kSystem).front);
}

TEST(SystemUid, ends_below_1000) {
  EXPECT_TRUE(is_system_uid(0));
  EXPECT_TRUE(is_system_uid(999));
  EXPECT_FALSE(is_system_uid(1000));
}

TEST(ProcessRules, knows_programs_by_how_they_hand_requests_on) {
  const auto known = [](const char* executable, bool front, bool root_owned = false) {
    ProcessFacts facts;
    facts.executable = executable;
    facts.front = front;
    facts.executable_root_owned = root_owned;
    return known_proxy(facts);
  };
  EXPECT_EQ(known("/usr/sbin/nginx", true), "nginx");
  EXPECT_EQ(known("/home/mallory/nginx", false), "");
  EXPECT_EQ(known("/home/mallory/stunnel", false), "") << "anybody can name a program so";
  EXPECT_EQ(known("/usr/sbin/varnishd", true), "varnish");
  EXPECT_EQ(known("/usr/bin/docker-proxy", false), "relay");
  EXPECT_EQ(known("/usr/sbin/apache2", true), "apache");
  EXPECT_EQ(known("/usr/bin/stunnel4", true), "stunnel");
  EXPECT_EQ(known("/usr/bin/stunnel4", false, true), "stunnel") << "whoever runs it";
  EXPECT_EQ(known("/usr/sbin/haproxy", true), "haproxy");
  EXPECT_EQ(known("/usr/sbin/haproxy", false, true), "");
  EXPECT_EQ(known("/usr/bin/envoy", true), "");
}

}  // namespace
}  // namespace mtlswatch
