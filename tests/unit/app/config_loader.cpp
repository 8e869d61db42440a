// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/config_loader.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include "tests/unit/app/config_directory.h"

namespace mtlswatch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

constexpr char kEverything[] = R"(
backends:
  - name: shop
    listen: ["127.0.0.1:8000", "0.0.0.0:8001", "[::1]:8002", "unix:/run/app.sock", "unix:@abstract"]
    match: {executable: /usr/bin/python3.11, command_line: "shop \"wsgi\"", cgroup: "*/shop*.service", uid: 0}
    proxies: [10.0.0.0/8, "2001:db8::/32", 192.0.2.7]
    intermediaries: ["CN=cdn,O=Example"]
    requests: violations
  - name: "8000"
    match: {uid: 33}
    proxies: []
fronts:
  - {executable: /usr/sbin/nginx, uid: 33}
  - executable: "/opt/my proxy\t/bin"
identity_headers: [X-User, X_Tenant]
outputs:
  - {type: json, path: /var/log/mtlswatch.json, events: [request, agent]}
  - type: json
limits: {ring_bytes: 65536, connections: 1, exchanges: 16777216, explain: 0, identities: 5}
http: {listen: "[::1]:9948"}
admin: {socket: none}
write_query: true
)";

std::vector<std::string> texts(const std::vector<Endpoint>& endpoints) {
  std::vector<std::string> result;
  for (const auto& endpoint : endpoints) result.push_back(endpoint.text());
  return result;
}

void expect_everything(const Config& config) {
  ASSERT_EQ(config.backends.size(), 2u);
  const auto& shop = config.backends[0];
  EXPECT_EQ(shop.name, "shop");
  EXPECT_THAT(texts(shop.listen),
              ElementsAre("127.0.0.1:8000", "0.0.0.0:8001", "[::1]:8002", "unix:/run/app.sock", "unix:@abstract"));
  ASSERT_TRUE(shop.match);
  EXPECT_EQ(shop.match->executable, "/usr/bin/python3.11");
  EXPECT_EQ(shop.match->command_line, "shop \"wsgi\"");
  EXPECT_EQ(shop.match->cgroup, "*/shop*.service");
  EXPECT_EQ(shop.match->uid, 0u);
  ASSERT_TRUE(shop.proxies);
  ASSERT_EQ(shop.proxies->size(), 3u);
  EXPECT_EQ((*shop.proxies)[1].prefix_bits, 32);
  EXPECT_EQ((*shop.proxies)[2].prefix_bits, 32);
  EXPECT_THAT(shop.intermediaries, ElementsAre("CN=cdn,O=Example"));
  EXPECT_EQ(shop.requests, RequestsWritten::kViolations);
  EXPECT_EQ(config.backends[1].name, "8000");
  EXPECT_TRUE(config.backends[1].proxies && config.backends[1].proxies->empty())
      << "an empty list is not an absent one";
  EXPECT_EQ(config.backends[1].requests, RequestsWritten::kAll);
  ASSERT_EQ(config.fronts.size(), 2u);
  EXPECT_EQ(config.fronts[0].uid, 33u);
  EXPECT_EQ(config.fronts[1].executable, "/opt/my proxy\t/bin");
  EXPECT_FALSE(config.fronts[1].uid);
  EXPECT_THAT(config.identity_headers, ElementsAre("X-User", "X_Tenant"));
  ASSERT_EQ(config.outputs.size(), 2u);
  EXPECT_EQ(config.outputs[0].path, "/var/log/mtlswatch.json");
  EXPECT_THAT(config.outputs[0].events, ElementsAre("request", "agent"));
  EXPECT_EQ(config.outputs[1].path, "-");
  EXPECT_EQ(config.limits.ring_bytes, 65536u);
  EXPECT_EQ(config.limits.connections, 1u);
  EXPECT_EQ(config.limits.exchanges, 16777216u);
  EXPECT_EQ(config.limits.explain, 0u);
  EXPECT_EQ(config.limits.identities, 5u);
  EXPECT_EQ(config.http_listen, "[::1]:9948");
  EXPECT_EQ(config.admin_socket, "");
  EXPECT_TRUE(config.write_query);
}

TEST(ConfigLoader, reads_every_key) {
  const ConfigDirectory directory;
  directory.write("main.yaml", kEverything);
  const auto config = directory.load();
  ASSERT_TRUE(config) << config.error().message;
  expect_everything(*config);
}

TEST(ConfigLoader, reads_back_what_it_renders) {
  const ConfigDirectory directory;
  directory.write("main.yaml", kEverything);
  const auto config = directory.load();
  ASSERT_TRUE(config) << config.error().message;
  const std::string rendered = effective_config(*config);
  directory.write("main.yaml", rendered);
  const auto again = directory.load();
  ASSERT_TRUE(again) << again.error().message << "\n" << rendered;
  expect_everything(*again);
  EXPECT_EQ(effective_config(*again), rendered);
}

TEST(ConfigLoader, renders_the_defaults_as_what_they_mean) {
  const std::string rendered = effective_config(Config{});
  EXPECT_THAT(rendered, HasSubstr("path: \"-\""));
  EXPECT_THAT(rendered, HasSubstr("ring_bytes: 4194304"));
  EXPECT_THAT(rendered, HasSubstr("events: [\"request\", \"handshake\", \"alert\", \"agent\"]"));
  const ConfigDirectory directory;
  directory.write("main.yaml", rendered);
  const auto again = directory.load();
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(effective_config(*again), rendered);
}

TEST(ConfigLoader, takes_an_empty_file_for_the_defaults) {
  for (const char* text : {"", "# nothing yet\n", "---\n", "{}\n"}) {
    const ConfigDirectory directory;
    directory.write("main.yaml", text);
    const auto config = directory.load();
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(effective_config(*config), effective_config(Config{}));
  }
}

TEST(ConfigLoader, does_without_the_default_file_but_not_without_a_named_one) {
  const ConfigDirectory directory;
  EXPECT_TRUE(load_config({.file = "", .default_file = directory.file("absent.yaml")}));
  const auto named = directory.load();
  ASSERT_FALSE(named);
  EXPECT_EQ(named.error().message, directory.file("main.yaml") + ":1:1: cannot be opened: No such file or directory");
}

TEST(ConfigLoader, reads_the_drop_ins_of_an_absent_default_file) {
  const ConfigDirectory directory;
  directory.write("conf.d/a.yaml", "write_query: true\n");
  const auto config = load_config({.file = "", .default_file = directory.file("absent.yaml")});
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_TRUE(config->write_query);
}

TEST(ConfigLoader, appends_lists_in_name_order) {
  const ConfigDirectory directory;
  directory.write("main.yaml", "identity_headers: [M]\nlimits: {connections: 7}\n");
  directory.write("conf.d/20.yaml", "identity_headers: [B]\nlimits: {exchanges: 8}\n");
  directory.write("conf.d/10.yaml", "identity_headers: [A]\n");
  directory.write("conf.d/.hidden.yaml", "identity_headers: [H]\n");
  directory.write("conf.d/30.yaml.bak", "identity_headers: [C]\n");
  const auto config = directory.load();
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_THAT(config->identity_headers, ElementsAre("M", "A", "B"));
  EXPECT_EQ(config->limits.connections, 7u);
  EXPECT_EQ(config->limits.exchanges, 8u);
}

TEST(ConfigLoader, names_both_places_of_a_scalar_set_twice) {
  const ConfigDirectory directory;
  const auto first = directory.write("main.yaml", "limits:\n  connections: 7\n");
  const auto second = directory.write("conf.d/a.yaml", "\nlimits: {connections: 7}\n");
  const auto config = directory.load();
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().message,
            second + ":2:23: \"limits.connections\" is already set at " + first + ":2:16, expected it once");
}

TEST(ConfigLoader, names_both_places_of_a_backend_defined_twice) {
  const ConfigDirectory directory;
  const auto first = directory.write("main.yaml", "backends: [{name: a, match: {uid: 1}}]\n");
  const auto second = directory.write("conf.d/a.yaml", "backends:\n  - match: {uid: 2}\n    name: a\n");
  const auto config = directory.load();
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().message,
            second + ":3:11: backend \"a\" is already defined at " + first + ":1:19, expected another name");
}

TEST(ConfigLoader, points_into_the_drop_in_that_is_wrong) {
  const ConfigDirectory directory;
  directory.write("main.yaml", "");
  const auto file = directory.write("conf.d/a.yaml", "\nfronts: 3\n");
  const auto config = directory.load();
  ASSERT_FALSE(config);
  EXPECT_THAT(config.error().message, StartsWith(file + ":2:9: expected a list"));
}

TEST(ConfigLoader, expands_plain_aliases) {
  const ConfigDirectory directory;
  directory.write("main.yaml",
                  "backends:\n  - {name: a, match: {uid: 1}, proxies: &lan [10.0.0.0/8]}\n  - {name: b, match: {uid: "
                  "2}, proxies: *lan}\n");
  const auto config = directory.load();
  ASSERT_TRUE(config) << config.error().message;
  ASSERT_TRUE(config->backends[1].proxies);
  EXPECT_EQ(config->backends[1].proxies->front().network.text(), "10.0.0.0");
}

TEST(ConfigLoader, refuses_a_pipe_and_a_directory_without_waiting) {
  const ConfigDirectory directory;
  ASSERT_EQ(::mkfifo(directory.file("main.yaml").c_str(), 0600), 0);
  const auto pipe = directory.load();
  ASSERT_FALSE(pipe);
  EXPECT_EQ(pipe.error().message, directory.file("main.yaml") + ":1:1: is no regular file, expected one");
  const auto folder = load_config({.file = directory.file("")});
  EXPECT_FALSE(folder);
}

}  // namespace
}  // namespace mtlswatch
