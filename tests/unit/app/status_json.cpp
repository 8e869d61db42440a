// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/status_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/sink/reports.h"
#include "userspace/app/status_text_json.h"
#include "userspace/app/targets_text_json.h"
#include "userspace/sink/tally.h"

namespace mtlswatch {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

AgentStatus busy_status() {
  Tally tally;
  for (int i = 0; i < 5; ++i) tally.count(request_report(), 9 * kSecond);
  tally.count(direct_report(), 9 * kSecond);
  AgentStatus status;
  status.version = "0.1.0";
  status.started_ns = 10 * kSecond;
  status.now_ns = 75 * kSecond;
  status.counts = tally.counts();
  status.checks = {{"fronts", true, false, "1 forward requests"}};
  status.lost = {{"ringbuf", 0}, {"output", 3}};
  return status;
}

StatusDetails details() {
  StatusDetails details;
  Tally earlier;
  earlier.count(request_report(), 9 * kSecond);
  details.earlier = earlier.counts();
  details.earlier_seconds_ago = 10;
  details.top_identities = {{"alice", "CN=alice", "CN=CA", "shop", 5, 1, 0, 1'795'425'302, kSecond, 2 * kSecond}};
  return details;
}

TEST(Status, has_totals_and_what_the_last_minute_added) {
  const json status = json::parse(status_json(busy_status(), details(), {}));
  EXPECT_EQ(status["uptime_seconds"], 65);
  EXPECT_EQ(status["rates"]["requests_per_second"], 0.5);
  ASSERT_EQ(status["verdicts"].size(), 2u);  // reasons that never came are left out
  EXPECT_EQ(status["verdicts"][0]["requests"], 5);
  EXPECT_EQ(status["verdicts"][0]["last_minute"], 4);
  EXPECT_EQ(status["identities"]["top"][0]["common_name"], "alice");
}

TEST(Status, is_one_line_of_utf8_whatever_a_certificate_says) {
  StatusDetails odd = details();
  odd.top_identities[0].common_name = "al\xff\nice";
  const std::string text = status_json(busy_status(), odd, {});
  EXPECT_EQ(text.find('\n'), std::string::npos);
  EXPECT_TRUE(json::accept(text));
}

TEST(StatusText, shows_tables_and_what_was_lost) {
  const auto shown = status_text(status_json(busy_status(), details(), {}), false);
  ASSERT_TRUE(shown);
  EXPECT_TRUE(shown->is_good);
  EXPECT_THAT(shown->text, HasSubstr("mtlswatch 0.1.0, up 65 s: ready\n"));
  EXPECT_THAT(shown->text, HasSubstr("shop     authenticated  verified_client_certificate      5            4\n"));
  EXPECT_THAT(shown->text, HasSubstr("alice  CN=CA   shop"));
  EXPECT_THAT(shown->text, HasSubstr("3 in output"));
  EXPECT_THAT(shown->text, Not(HasSubstr("ringbuf")));
}

TEST(Status, tells_of_this_nodes_pods_where_an_api_server_is_asked) {
  AgentStatus status = busy_status();
  EXPECT_TRUE(json::parse(status_json(status, details(), {}))["kubernetes"].is_null());
  EXPECT_THAT(status_text(status_json(status, details(), {}), false)->text, Not(HasSubstr("Kubernetes")));
  status.kubernetes = KubernetesStatus{true, 12, 2, 3, 4, "403 Forbidden"};
  EXPECT_EQ(json::parse(status_json(status, details(), {}))["kubernetes"],
            json({{"synced", true}, {"pods", 12}, {"lists", 2}, {"errors", 3}, {"refused", 4}, {"last_error", "403 Forbidden"}}));
  EXPECT_THAT(status_text(status_json(status, details(), {}), false)->text, HasSubstr("true      12      2       3        4  403 Forbidden"));
}

TEST(StatusText, is_not_good_when_a_check_fails) {
  AgentStatus status = busy_status();
  status.checks.push_back({"losses", false, false, "3 in the last minute"});
  const auto shown = status_text(status_json(status, details(), {}), false);
  ASSERT_TRUE(shown);
  EXPECT_FALSE(shown->is_good);
  EXPECT_THAT(shown->text, HasSubstr("losses  warning  3 in the last minute"));
}

TEST(StatusText, refuses_what_is_no_status) {
  for (const char* text : {"", "[]", "{}", "7"}) EXPECT_FALSE(status_text(text, false)) << text;
}

TEST(AdminRequest, survives_its_json) {
  const auto request = parse_request_json(request_json({"events", "id\n", "verdict=\"x\"", true}));
  ASSERT_TRUE(request);
  EXPECT_EQ(request->command, "events");
  EXPECT_EQ(request->id, "id\n");
  EXPECT_EQ(request->filter, "verdict=\"x\"");
  EXPECT_TRUE(request->follow);
}

TEST(AdminRequest, is_read_from_anything_without_trust) {
  for (const char* line : {"", "7", "[]", "{", "null"}) EXPECT_FALSE(parse_request_json(line)) << line;
  const auto request = parse_request_json(R"({"command": 7, "follow": "yes", "id": []})");
  ASSERT_TRUE(request);
  EXPECT_EQ(request->command, "");
  EXPECT_FALSE(request->follow);
}

TEST(TargetsText, shows_processes_and_their_libraries) {
  const auto text = targets_text(
      R"({"processes": [{"pid": 7, "name": "nginx", "front": true, "backend": "", "executable": "/usr/sbin/nginx",
    "listeners": ["0.0.0.0:443"], "reasons": ["root's own"],
    "trust": {"state": "believed", "agreements": 9, "contradictions": 1}, "tls": {"coverage": "attached", "reason": ""}}],
    "libraries": [{"path": "/lib/libssl.so.3", "version": "OpenSSL 3.0", "build_id": "ab", "coverage": "attached",
    "probes": [{"symbol": "SSL_do_handshake", "file_offset": 4096, "emulated": true, "instruction": "push rbp"}],
    "unplaced": [{"symbol": "d2i_X509", "reason": "no call"}]}]})",
      false);
  ASSERT_TRUE(text);
  EXPECT_THAT(*text, HasSubstr("      7  nginx            front              attached  /usr/sbin/nginx\n"));
  EXPECT_THAT(*text, HasSubstr("listens on 0.0.0.0:443"));
  EXPECT_THAT(*text, HasSubstr("its witnesses: believed, 9 agreed with the sockets, 1 did not\n"));
  EXPECT_THAT(*text, HasSubstr("push rbp"));
  EXPECT_THAT(*text, HasSubstr("d2i_X509                     not placed: no call"));
  EXPECT_FALSE(targets_text("{}", false));
}

}  // namespace
}  // namespace mtlswatch
