// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/reload.h"

#include <gmock/gmock.h>

#include "userspace/app/config_loader.h"
#include "userspace/app/outputs.h"

namespace mtlswatch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Config config(const std::string& text) { return *parse_config(text, "test"); }

constexpr char kShop[] = "backends: [{name: shop, listen: [\"127.0.0.1:1\"]}]\n";

TEST(Reload, takes_over_policy_exemptions_rules_and_outputs) {
  const Config wanted = config(
      "backends: [{name: shop, listen: [\"127.0.0.1:1\"], requests: violations, subjects: [a], proxies: [], paths: "
      "[{path: /h, require: nothing}]}]\n"
      "exemptions: [{name: a, owner: o, reason: r, expires: 2027-01-01, method: GET, path: /h, source: 10.0.0.1}]\n"
      "rules: [{rule: \"*\", enabled: false}]\noutputs: [{type: json, path: /x}]\nwrite_query: true\n");
  EXPECT_THAT(keys_that_need_a_restart(config(kShop), wanted), IsEmpty());
  EXPECT_TRUE(outputs_differ(config(kShop), wanted));
  EXPECT_FALSE(outputs_differ(config(kShop), config(kShop)));
}

TEST(Reload, names_every_key_that_needs_a_restart) {
  const Config wanted = config(
      "backends: [{name: shop, listen: [\"127.0.0.1:2\"]}]\nfronts: [{executable: /x}]\nidentity_headers: [X]\n"
      "http: {listen: \"127.0.0.1:1\"}\nadmin: {socket: none}\nlimits: {connections: 5}\n");
  EXPECT_THAT(keys_that_need_a_restart(config(kShop), wanted),
              ElementsAre("backends (name, listen, match)", "fronts", "identity_headers", "http", "admin", "limits"));
}

TEST(Outputs, tell_what_they_lost_once) {
  Config full;
  full.outputs.resize(2);
  full.outputs[0].path = "/dev/null";
  full.outputs[1].path = "/dev/full";
  auto outputs = Outputs::open(full, {});
  ASSERT_TRUE(outputs) << outputs.error().message;
  AgentReport report;
  report.action = "agent-ready";
  outputs->write(report);
  outputs->write(report);
  ASSERT_TRUE(outputs->flush()) << "a full disk is no reason to end";
  EXPECT_FALSE(outputs->loss(1, false)) << "too early";
  const auto loss = outputs->loss(20'000'000'000, false);
  ASSERT_TRUE(loss);
  EXPECT_EQ(loss->events_lost, 2u);
  EXPECT_THAT(loss->message, HasSubstr("output json_2 lost 2 events: No space left on device"));
  EXPECT_FALSE(outputs->loss(40'000'000'000, true));
  EXPECT_EQ(outputs->sequence(), 2u);
}

TEST(Outputs, are_opened_all_or_none) {
  Config wrong;
  wrong.outputs.resize(2);
  wrong.outputs[0].path = "/dev/null";
  wrong.outputs[1].type = "webhook";
  wrong.outputs[1].url = "https://127.0.0.1:1/";
  wrong.outputs[1].secret_file = "/nonexistent/secret";
  const auto outputs = Outputs::open(wrong, {});
  ASSERT_FALSE(outputs);
  EXPECT_EQ(outputs.error().message, "output webhook: read /nonexistent/secret: cannot be opened: No such file or directory");
}

}  // namespace
}  // namespace mtlswatch
