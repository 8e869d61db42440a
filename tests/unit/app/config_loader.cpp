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
    requests: sampled
    sample: 7
    issuers: ["CN=* CA,O=Example"]
    subjects: ["spiffe://example.org/*"]
    paths:
      - {path: "/admin/*", subjects: ["CN=root,*"], issuers: ["CN=Admin CA"]}
      - {path: /healthz, require: nothing}
  - name: "8000"
    match: {uid: 33}
    proxies: []
    require: nothing
fronts:
  - {executable: /usr/sbin/nginx, uid: 33}
  - executable: "/opt/my proxy\t/bin"
identity_headers: [X-User, X_Tenant]
exemptions:
  - {name: probe, owner: "ops@example.org", reason: "no certificate", expires: 2027-06-30, backend: shop, method: GET, path: /healthz,
     process: {executable: /usr/bin/kubelet, uid: 0, cgroup: "/system.slice/kubelet*"}, enabled: false}
  - {name: monitor, owner: o, reason: r, expires: "2027-06-30T12:00:00Z", method: HEAD, path: /, source: 10.1.0.0/16}
rules:
  - {rule: MTLS-1001, enabled: false}
  - {rule: "*", threshold: 3, window: 4, days: 5, summary_after: 6, resolve_after: 7}
outputs:
  - {type: json, path: /var/log/mtlswatch.json, events: [request, agent]}
  - type: json
  - {type: webhook, url: "https://x/hook", events: [alert, agent], ca_file: /ca, certificate_file: /c, key_file: /k, secret_file: /s, token_file: /t, queue: 9}
  - {type: alertmanager, url: "http://127.0.0.1:9093", resend: 5}
  - {type: syslog, address: "127.0.0.1:514"}
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
  EXPECT_EQ(shop.requests, RequestsWritten::kSampled);
  EXPECT_EQ(shop.sample, 7u);
  EXPECT_THAT(shop.access.issuers, ElementsAre("CN=* CA,O=Example"));
  ASSERT_EQ(shop.paths.size(), 2u);
  EXPECT_THAT(shop.paths[0].access.subjects, ElementsAre("CN=root,*"));
  EXPECT_TRUE(shop.paths[1].access.is_public);
  EXPECT_TRUE(config.backends[1].access.is_public);
  EXPECT_EQ(config.backends[1].name, "8000");
  EXPECT_TRUE(config.backends[1].proxies && config.backends[1].proxies->empty())
      << "an empty list is not an absent one";
  EXPECT_EQ(config.backends[1].requests, RequestsWritten::kAll);
  ASSERT_EQ(config.fronts.size(), 2u);
  EXPECT_EQ(config.fronts[0].uid, 33u);
  EXPECT_EQ(config.fronts[1].executable, "/opt/my proxy\t/bin");
  EXPECT_FALSE(config.fronts[1].uid);
  EXPECT_THAT(config.identity_headers, ElementsAre("X-User", "X_Tenant"));
  ASSERT_EQ(config.exemptions.size(), 2u);
  EXPECT_EQ(config.exemptions[0].expires_s, 1'814'400'000) << "the end of that day";
  EXPECT_EQ(config.exemptions[0].process->cgroup, "/system.slice/kubelet*");
  EXPECT_FALSE(config.exemptions[0].enabled);
  EXPECT_EQ(config.exemptions[1].expires_s, 1'814'356'800);
  EXPECT_EQ(config.exemptions[1].source->prefix_bits, 16);
  ASSERT_EQ(config.rules.size(), 2u);
  EXPECT_EQ(config.rules[0].enabled, false);
  EXPECT_EQ(config.rules[1].resolve_after_s, 7u);
  ASSERT_EQ(config.outputs.size(), 5u);
  EXPECT_EQ(config.outputs[2].secret_file, "/s");
  EXPECT_EQ(config.outputs[3].resend_s, 5u);
  EXPECT_EQ(config.outputs[4].address.port, 514);
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

TEST(ConfigLoader, lets_the_environment_replace_the_files_and_the_command_line_both) {
  const ConfigDirectory directory;
  directory.write("main.yaml", "identity_headers: [M]\nlimits: {connections: 7, exchanges: 7}\nbackends: [{name: a, match: {uid: 1}}]\n");
  const char* environment[] = {"MTLSWATCH_LIMITS_CONNECTIONS=8", "MTLSWATCH_LIMITS_EXCHANGES=8", "MTLSWATCH_IDENTITY_HEADERS=[E, F]",
                               "MTLSWATCH_PORT_80_TCP=tcp://10.0.0.1:80", "PATH=/bin", "MTLSWATCH_BACKENDS=[{name: a, match: {uid: 2}}]", nullptr};
  const auto config = load_config({.file = directory.file("main.yaml"), .environment = environment, .settings = {"limits.exchanges=9"}});
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->limits.connections, 8u);
  EXPECT_EQ(config->limits.exchanges, 9u);
  EXPECT_THAT(config->identity_headers, ElementsAre("E", "F"));
  ASSERT_EQ(config->backends.size(), 1u);
  EXPECT_EQ(config->backends[0].match->uid, 2u);
}

TEST(ConfigLoader, names_the_variable_or_option_that_is_wrong) {
  const ConfigDirectory directory;
  directory.write("main.yaml", "");
  const char* environment[] = {"MTLSWATCH_OUTPUTS=[{type: jsn}]", nullptr};
  const auto wrong_variable = load_config({.file = directory.file("main.yaml"), .environment = environment});
  ASSERT_FALSE(wrong_variable);
  EXPECT_THAT(wrong_variable.error().message, StartsWith("MTLSWATCH_OUTPUTS:1:9: expected one of"));
  const std::pair<const char*, const char*> wrong[] = {{"limits.connections=0", "--set limits.connections:1:1: expected a number"},
                                                       {"limits.conections=5", "--set limits.conections:1:1: unknown key; did you mean \"limits.connections\"?"},
                                                       {"limits.connections", "--set limits.connections:1:1: expected KEY=VALUE"}};
  for (const auto& [setting, message] : wrong) {
    const auto config = load_config({.file = directory.file("main.yaml"), .settings = {setting}});
    ASSERT_FALSE(config) << setting;
    EXPECT_THAT(config.error().message, StartsWith(message));
  }
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
