// SPDX-License-Identifier: Apache-2.0
#include "userspace/probe/discovery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/probe/fake_proc.h"

namespace mtlswatch {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

struct DiscoveryTest : ::testing::Test {
  FakeProc proc;
  Discovery discovery{proc.reader()};
  Config config;
  std::vector<Listener> listeners;

  std::vector<ProcessFacts> scan() { return discovery.scan(config, listeners); }

  /// The facts of one interesting process; pid 0 where it is not interesting.
  ProcessFacts scanned(std::uint32_t pid) {
    for (const ProcessFacts& facts : scan()) {
      if (facts.pid == pid) return facts;
    }
    return {};
  }

  ProcessFacts examined(std::uint32_t pid) {
    return discovery.examine(pid, config, listeners).value_or(ProcessFacts{});
  }

  /// Django under gunicorn: a master and a worker that hold one socket.
  void put_gunicorn() {
    proc.put({.pid = 10, .parent_pid = 1, .name = "gunicorn: maste", .arguments = {"gunicorn: master [shop.wsgi]"}});
    proc.put({.pid = 11, .parent_pid = 10, .name = "gunicorn: worke", .arguments = {"gunicorn: worker [shop.wsgi]"}});
    listeners.push_back(listener(10, "127.0.0.1:8000"));
    listeners.push_back(listener(11, "127.0.0.1:8000"));
  }

  void put_nginx(std::uint32_t listener_uid = 0) {
    proc.put_file("/lib/libssl.so.3");
    const std::vector<std::string> libraries = {"/lib/libssl.so.3"};
    proc.put({.pid = 20, .parent_pid = 1, .name = "nginx", .executable = "/usr/sbin/nginx", .libraries = libraries});
    proc.put({.pid = 21,
              .parent_pid = 20,
              .uid = 33,
              .name = "nginx",
              .executable = "/usr/sbin/nginx",
              .libraries = libraries});
    listeners.push_back(listener(20, "0.0.0.0:443", listener_uid));
  }

  void configure_backend(const std::string& name, const std::string& listen) {
    config.backends.emplace_back().name = name;
    if (!listen.empty()) config.backends.back().listen.push_back(*parse_endpoint(listen));
  }
};

TEST_F(DiscoveryTest, finds_django_and_its_workers_without_configuration) {
  put_gunicorn();
  const auto found = scan();
  ASSERT_THAT(found, SizeIs(2));
  EXPECT_EQ(found[0].pid, 10u);
  EXPECT_EQ(found[0].backend, "shop");
  EXPECT_EQ(found[1].backend, "shop");
  EXPECT_FALSE(found[0].front);
  EXPECT_THAT(found[0].listeners, ElementsAre(*parse_endpoint("127.0.0.1:8000")));
  EXPECT_THAT(found[0].clues, Contains(Field(&DetectionClue::reason, HasSubstr("shop.wsgi"))));
}

TEST_F(DiscoveryTest, needs_a_listener_to_take_a_process_for_django) {
  put_gunicorn();
  listeners.clear();
  EXPECT_THAT(scan(), IsEmpty());
}

TEST_F(DiscoveryTest, takes_spawned_and_forked_children_of_a_master_for_its_workers) {
  put_gunicorn();
  proc.put({.pid = 12, .parent_pid = 11, .start_time_ticks = 2000, .arguments = {"python3", "anything.py"}});
  proc.put({.pid = 13, .parent_pid = 10, .name = "curl", .executable = "/usr/bin/curl"});
  EXPECT_EQ(scanned(12).backend, "shop");
  EXPECT_EQ(scanned(13).pid, 0u);
}

TEST_F(DiscoveryTest, does_not_inherit_from_a_parent_that_is_younger_than_its_child) {
  put_gunicorn();
  proc.put({.pid = 12, .parent_pid = 10, .start_time_ticks = 5, .arguments = {"python3"}});
  EXPECT_EQ(scanned(12).pid, 0u);
}

TEST_F(DiscoveryTest, takes_who_shares_the_socket_for_the_same_backend) {
  put_gunicorn();
  proc.put({.pid = 30, .parent_pid = 1, .executable = "/opt/worker"});
  listeners.push_back(listener(30, "127.0.0.1:8000"));
  EXPECT_EQ(scanned(30).backend, "shop");
  listeners.back().netns = 2;  // the same address in another network namespace is another socket
  EXPECT_EQ(scanned(30).backend, "");
}

TEST_F(DiscoveryTest, lets_the_configuration_win_over_what_it_detects) {
  put_gunicorn();
  configure_backend("billing", "0.0.0.0:8000");
  EXPECT_EQ(scanned(11).backend, "billing");
  config.backends.clear();
  configure_backend("by-match", "");
  config.backends[0].match =
      BackendMatch{.executable = "", .command_line = "gunicorn: master", .cgroup = "", .uid = {}};
  EXPECT_EQ(scanned(10).backend, "by-match");
  EXPECT_EQ(scanned(11).backend, "by-match");
}

TEST_F(DiscoveryTest, never_takes_an_init_that_holds_the_socket_for_the_backend) {
  put_gunicorn();
  proc.put({.pid = 1, .name = "systemd", .executable = "/usr/lib/systemd/systemd"});
  proc.put({.pid = 40, .parent_pid = 1, .uid = 1000, .name = "systemd", .executable = "/usr/lib/systemd/systemd"});
  listeners.push_back(listener(1, "127.0.0.1:8000"));
  configure_backend("shop", "127.0.0.1:8000");
  scan();
  EXPECT_EQ(examined(1).backend, "");
  EXPECT_FALSE(examined(1).front);
  EXPECT_EQ(examined(40).backend, "");
  EXPECT_FALSE(examined(40).front);
}

TEST_F(DiscoveryTest, finds_a_front_and_its_workers) {
  put_nginx();
  for (const std::uint32_t pid : {20u, 21u}) {
    const auto facts = scanned(pid);
    EXPECT_TRUE(facts.front) << pid << facts.front_reason;
    EXPECT_EQ(facts.known_proxy, "nginx");
    EXPECT_EQ(facts.tls_coverage, "");
    ASSERT_THAT(discovery.tls_libraries(pid), SizeIs(1));
    EXPECT_EQ(discovery.tls_libraries(pid)[0].display_path, "/lib/libssl.so.3");
  }
}

TEST_F(DiscoveryTest, does_not_trust_a_front_whose_listener_is_a_users) {
  put_nginx(1000);
  const auto facts = scanned(21);
  EXPECT_EQ(facts.pid, 21u);  // still a TLS server, and observed
  EXPECT_FALSE(facts.front);
  EXPECT_THAT(facts.front_reason, HasSubstr("no system user"));
  EXPECT_EQ(facts.known_proxy, "");
}

TEST_F(DiscoveryTest, does_not_trust_an_executable_that_others_can_write) {
  proc.put_file("/usr/sbin/nginx", "", 0775);
  put_nginx();
  EXPECT_FALSE(scanned(20).front);
}

TEST_F(DiscoveryTest, trusts_a_configured_path_only_where_the_host_has_that_file) {
  put_nginx(1000);
  const std::string path = proc.on_disk("/usr/sbin/nginx");  // what readlink says here
  config.fronts.push_back({path, {}});
  EXPECT_FALSE(scanned(20).front);  // no process 1 to compare with
  proc.put({.pid = 1, .executable = "/sbin/other"});
  const std::string host = proc.proc() + "/1/root";
  std::filesystem::remove(host);
  std::filesystem::create_symlink("/", host);
  EXPECT_TRUE(scanned(20).front);
  proc.put_file("/host" + path);
  std::filesystem::remove(host);
  std::filesystem::create_symlink(proc.on_disk("/host"), host);
  EXPECT_FALSE(scanned(20).front);
  config.fronts[0].uid = 33;
  EXPECT_TRUE(scanned(21).front);
}

TEST_F(DiscoveryTest, leaves_uninteresting_processes_out_but_examines_them_on_demand) {
  proc.put({.pid = 50,
            .parent_pid = 1,
            .uid = 1000,
            .name = "curl",
            .executable = "/usr/bin/curl",
            .arguments = {"curl", "-k"}});
  EXPECT_THAT(scan(), IsEmpty());
  const auto facts = discovery.examine(50, config, listeners);
  ASSERT_TRUE(facts.has_value());
  EXPECT_EQ(facts->name, "curl");
  EXPECT_EQ(facts->uid, 1000u);
  EXPECT_EQ(facts->command_line, "curl -k");
  EXPECT_EQ(facts->cgroup, "/system.slice/test.service");
  EXPECT_FALSE(discovery.examine(51, config, listeners).has_value());
}

TEST_F(DiscoveryTest, reads_nothing_in_full_when_nothing_changed) {
  put_gunicorn();
  put_nginx();
  scan();
  scan();  // new processes are read twice: they may have been between fork, exec and setuid
  const auto reads = discovery.processes().full_reads();
  EXPECT_EQ(reads, 8u);
  scan();
  EXPECT_EQ(discovery.processes().full_reads(), reads);
}

TEST_F(DiscoveryTest, notices_another_image_under_the_same_pid) {
  put_gunicorn();
  scan();
  scan();
  proc.put(
      {.pid = 11, .parent_pid = 10, .image = 0x9000, .name = "sh", .executable = "/bin/dash", .arguments = {"sh"}});
  listeners.pop_back();
  EXPECT_EQ(examined(11).executable, proc.on_disk("/bin/dash"));
  EXPECT_EQ(examined(11).backend, "");
  EXPECT_THAT(scan(), SizeIs(1));
}

TEST_F(DiscoveryTest, notices_that_a_watched_process_changed_its_user) {
  put_gunicorn();
  scan();
  scan();
  proc.put({.pid = 11,
            .parent_pid = 10,
            .uid = 33,
            .name = "gunicorn: worke",
            .arguments = {"gunicorn: worker [shop.wsgi]"}});
  EXPECT_EQ(scanned(11).uid, 33u);
}

TEST_F(DiscoveryTest, notices_a_listener_that_came_later) {
  put_gunicorn();
  const auto late = listeners;
  listeners.clear();
  scan();
  scan();
  listeners = late;
  EXPECT_THAT(scan(), SizeIs(2));
}

TEST_F(DiscoveryTest, notices_a_library_that_was_loaded_later) {
  proc.put_file("/lib/libssl.so.3");
  FakeProcess server{.pid = 60, .parent_pid = 1, .uid = 1000, .executable = "/opt/server"};
  proc.put_file("/opt/server", "", 0777);
  proc.put(server);
  listeners.push_back(listener(60, "0.0.0.0:9000", 1000));
  EXPECT_EQ(scanned(60).pid, 0u);
  EXPECT_FALSE(discovery.may_have_loaded(60));
  server.libraries = {"/lib/libssl.so.3"};
  server.virtual_bytes += 4096;
  proc.put(server);
  EXPECT_TRUE(discovery.may_have_loaded(60));
  EXPECT_EQ(scanned(60).pid, 60u);
  EXPECT_THAT(discovery.tls_libraries(60), SizeIs(1));
  EXPECT_FALSE(discovery.may_have_loaded(60));
}

TEST_F(DiscoveryTest, forgets_processes_that_ended) {
  put_gunicorn();
  scan();
  proc.remove(11);
  EXPECT_THAT(scan(), SizeIs(1));
  EXPECT_THAT(discovery.processes().entries(), SizeIs(1));
}

TEST_F(DiscoveryTest, survives_a_loop_among_parents) {
  proc.put({.pid = 70, .parent_pid = 71});
  proc.put({.pid = 71, .parent_pid = 70});
  scan();
  EXPECT_EQ(examined(70).pid, 70u);
}

TEST(DiscoveryLive, finds_this_process_by_its_configured_executable) {
  ASSERT_NE(OPENSSL_init_ssl(0, nullptr), 0);  // maps libssl
  Config config;
  config.backends.emplace_back().name = "self";
  config.backends[0].match = BackendMatch{.executable = std::filesystem::read_symlink("/proc/self/exe"),
                                          .command_line = "",
                                          .cgroup = "",
                                          .uid = ::geteuid()};
  Discovery discovery;
  const auto pid = static_cast<std::uint32_t>(::getpid());
  const auto found = discovery.scan(config, {listener(pid, "127.0.0.1:1")});
  ASSERT_THAT(found, Contains(Field(&ProcessFacts::pid, pid)));
  const auto facts = discovery.examine(pid, config, {listener(pid, "127.0.0.1:1")});
  ASSERT_TRUE(facts.has_value());
  EXPECT_EQ(facts->backend, "self");
  EXPECT_EQ(facts->uid, ::geteuid());
  EXPECT_THAT(discovery.tls_libraries(pid), SizeIs(1));
}

}  // namespace
}  // namespace mtlswatch
