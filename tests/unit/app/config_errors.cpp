// SPDX-License-Identifier: Apache-2.0
// Every way a configuration can be wrong: where the error points, and what it says.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/unit/app/config_directory.h"
#include "userspace/app/inspect_json.h"

namespace mtlswatch {
namespace {

struct WrongConfig {
  const char* test_name;
  std::string text;
  std::string place;   ///< "LINE:COLUMN"
  std::string saying;  ///< part of the message
};

std::string repeated(const std::string& piece, int times) {
  std::string text;
  for (int i = 0; i < times; ++i) text += piece;
  return text;
}

/// Six lists, each ten times the one before: a million values.
std::string alias_bomb() {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 6; ++i) {
    const std::string below = fmt::format("*a{}", i - 1);
    text += fmt::format("a{0}: &a{0} [{1}{2}]\n", i, repeated(below + ", ", 9), below);
  }
  return text;
}

const std::vector<WrongConfig>& wrong_configs() {
  static const std::vector<WrongConfig> kRows = {
      {"unknown_top_level_key", "write_query: true\nbackend: []\n", "2:1",
       "unknown key \"backend\", expected one of: backends, fronts, identity_headers, exemptions, rules, outputs, http, admin, kubernetes, limits, write_query; did you mean "
       "\"backends\"?"},
      {"unknown_key_of_a_backend", "backends:\n  - name: shop\n    listn: [\"127.0.0.1:1\"]\n", "3:5", "did you mean \"listen\"?"},
      {"unknown_key_of_a_match", "backends: [{name: a, match: {exe: /x}}]\n", "1:30", "unknown key \"exe\", expected one of: executable"},
      {"unknown_key_of_limits", "limits:\n  ring_byte: 65536\n", "2:3", "did you mean \"ring_bytes\"?"},
      {"unknown_key_of_a_front", "fronts:\n- {executable: /x, gid: 3}\n", "2:20", "unknown key \"gid\""},
      {"unknown_key_of_an_output", "outputs:\n  - type: json\n    pth: /x\n", "3:5", "did you mean \"path\"?"},
      {"key_nothing_like_a_known_one", "zzzzzzzzz: 1\n", "1:1", "write_query"},
      {"merge_key", "limits: &l {connections: 5}\n<<: *l\n", "2:1", "unknown key \"<<\""},
      {"duplicate_top_level_key", "write_query: true\nfronts: []\nwrite_query: true\n", "3:1",
       "duplicate key \"write_query\", expected it once: it is already at line 1"},
      {"duplicate_nested_key", "limits: {connections: 5, connections: 6}\n", "1:26", "duplicate key \"connections\""},
      {"list_where_a_mapping_is_due", "limits: [1]\n", "1:9", "expected a mapping, found a list"},
      {"text_where_a_list_is_due", "backends:\n  shop\n", "2:3", "expected a list, found the text \"shop\""},
      {"nothing_where_a_list_is_due", "backends:\nfronts: []\n", "1:1", "expected a list, found nothing"},
      {"tilde_where_a_list_is_due", "backends: ~\n", "1:11", "expected a list, found nothing"},
      {"empty_item", "backends:\n  - name: a\n    listen: [\"127.0.0.1:1\"]\n  -\n", "2:3", "expected a mapping, found nothing"},
      {"text_at_the_root", "hello\n", "1:1", "expected a mapping, found the text \"hello\""},
      {"number_where_text_is_due", "backends: [{name: 8000}]\n", "1:19", "expected text, found the number 8000"},
      {"flag_where_text_is_due", "backends: [{name: true}]\n", "1:19", "expected text, found the flag true"},
      {"empty_text", "backends: [{name: \"\"}]\n", "1:19", "expected text, found the text \"\""},
      {"yes_for_a_flag", "write_query: yes\n", "1:14", "expected true or false, found the text \"yes\""},
      {"quoted_flag", "write_query: \"true\"\n", "1:14", "expected true or false"},
      {"quoted_number", "limits:\n  connections: \"5\"\n", "2:16", "expected a number from 1 to 16777216, found the text \"5\""},
      {"negative_number", "limits: {connections: -1}\n", "1:23", "found the number -1"},
      {"fraction", "limits: {exchanges: 1.5}\n", "1:21", "expected a number from 1 to 16777216, found the number 1.5"},
      {"number_too_small", "limits: {connections: 0}\n", "1:23", "expected a number from 1 to 16777216"},
      {"number_too_large", "limits: {exchanges: 16777217}\n", "1:21", "expected a number from 1 to 16777216"},
      {"number_that_overflows", "limits: {exchanges: 99999999999999999999}\n", "1:21", "found the number 99999999999999999999"},
      {"ring_too_small", "limits: {ring_bytes: 32768}\n", "1:22", "expected a number from 65536 to 1073741824"},
      {"ring_no_power_of_two", "limits: {ring_bytes: 65537}\n", "1:22", "expected a power of two, found the number 65537"},
      {"uid_that_is_no_user", "fronts: [{executable: /x, uid: 4294967295}]\n", "1:32", "expected a number from 0 to 4294967294"},
      {"address_without_port", "backends:\n  - name: a\n    listen: [127.0.0.1]\n", "3:14", "not an address: \"127.0.0.1\", expected \"IP:PORT\""},
      {"address_with_a_name", "backends: [{name: a, listen: [\"127.0.0.1:1\", \"localhost:80\"]}]\n", "1:46", "not an address: \"localhost:80\""},
      {"address_with_port_too_large", "backends: [{name: a, listen: [\"127.0.0.1:65536\"]}]\n", "1:31", "not an address"},
      {"relative_unix_path", "backends: [{name: a, listen: [\"unix:run/x\"]}]\n", "1:31", "\"unix:/PATH\""},
      {"range_with_bits_past_its_prefix", "backends: [{name: a, proxies: [10.0.0.1/8]}]\n", "1:32",
       "address has bits past its prefix: \"10.0.0.1/8\", expected 10.0.0.0/8"},
      {"range_that_is_none", "backends: [{name: a, proxies: [lan]}]\n", "1:32", "expected an address range such as \"10.0.0.0/8\""},
      {"backend_without_name", "backends:\n  - listen: [\"127.0.0.1:1\"]\n", "2:5", "this backend has no \"name\""},
      {"backend_that_matches_nothing", "backends:\n  - name: a\n    proxies: []\n", "2:5", "neither \"listen\" nor \"match\""},
      {"match_without_condition", "backends: [{name: a, match: {}}]\n", "1:29", "expected one of: executable"},
      {"relative_executable", "backends: [{name: a, match: {executable: nginx}}]\n", "1:42", "expected an absolute path, found the text \"nginx\""},
      {"requests_misspelt", "backends: [{name: a, requests: violation}]\n", "1:32", "expected one of: all, violations, sampled, found the text \"violation\"; did you mean \"violations\"?"},
      {"backend_twice_in_a_file", "backends:\n  - {name: a, listen: [\"127.0.0.1:1\"]}\n  - {name: a, listen: [\"127.0.0.1:2\"]}\n", "3:12",
       "backend \"a\" is already defined at "},
      {"front_without_executable", "fronts: [{uid: 0}]\n", "1:10", "this front has no \"executable\""},
      {"header_that_is_none", "identity_headers: [X-User, \"X User\"]\n", "1:28", "expected the name of an HTTP header"},
      {"output_without_type", "outputs: [{path: /x}]\n", "1:11", "this output has no \"type\""},
      {"output_of_unknown_type", "outputs: [{type: jsn}]\n", "1:18", "did you mean \"json\"?"},
      {"output_of_unknown_event", "outputs: [{type: json, events: [request, handshakes]}]\n", "1:42", "did you mean \"handshake\"?"},
      {"output_of_no_event", "outputs: [{type: json, events: []}]\n", "1:32", "expected at least one event"},
      {"webhook_without_url", "outputs: [{type: webhook}]\n", "1:11", "this output has no \"url\""},
      {"webhook_with_a_path", "outputs:\n  - {path: /x, type: webhook}\n", "2:6", "unknown key \"path\""},
      {"url_that_is_none", "outputs: [{url: \"siem.example.org\", type: webhook}]\n", "1:17", "expected a URL such as"},
      {"url_with_credentials", "outputs: [{url: \"https://me:pw@x/\", type: alertmanager}]\n", "1:17", "credentials in a URL"},
      {"certificate_without_key", "outputs: [{type: webhook, url: \"https://x\", certificate_file: /c}]\n", "1:11", "expected both or neither"},
      {"relative_secret_file", "outputs: [{type: webhook, url: \"https://x\", secret_file: s}]\n", "1:58", "expected an absolute path"},
      {"syslog_without_address", "outputs: [{type: syslog}]\n", "1:11", "this output has no \"address\""},
      {"syslog_to_a_unix_socket", "outputs: [{type: syslog, address: \"unix:/dev/log\"}]\n", "1:35", "expected an address such as"},
      {"alertmanager_with_events", "outputs: [{type: alertmanager, url: \"http://x\", events: [alert]}]\n", "1:49", "unknown key \"events\""},
      {"exemption_without_owner", "exemptions:\n  - {name: a, reason: r, expires: 2027-01-01, method: GET, path: /h, source: 10.0.0.1}\n", "2:5", "this exemption has no \"owner\""},
      {"exemption_without_expiry", "exemptions:\n  - {name: a, owner: o, reason: r, method: GET, path: /h, source: 10.0.0.1}\n", "2:5", "this exemption has no \"expires\""},
      {"exemption_of_everybody", "exemptions:\n  - {name: a, owner: o, reason: r, expires: 2027-01-01, method: GET, path: /h}\n", "2:5", "expected either \"process\" or \"source\""},
      {"exemption_with_a_bad_day", "exemptions: [{expires: 2027-13-01}]\n", "1:24", "expected a day such as"},
      {"exemption_of_a_doubtful_path", "exemptions: [{path: /a/../b}]\n", "1:21", "expected an exact, normalised path"},
      {"exemption_of_half_a_process", "exemptions: [{process: {executable: /x, uid: 0}}]\n", "1:24", "this process has no \"cgroup\""},
      {"exemption_twice", "exemptions:\n  - &e {name: a, owner: o, reason: r, expires: 2027-01-01, method: GET, path: /h, source: 10.0.0.1}\n  - *e\n", "2:15", "exemption \"a\" is already defined at "},
      {"public_pattern", "backends: [{name: a, match: {uid: 1}, paths: [{path: \"/p/*\", require: nothing}]}]\n", "1:54", "expected an exact, normalised path"},
      {"unknown_rule", "rules: [{rule: mtls-bypas}]\n", "1:16", "did you mean \"mtls-bypass\"?"},
      {"rule_without_name", "rules: [{enabled: false}]\n", "1:9", "this entry has no \"rule\""},
      {"http_without_listen", "http: {}\n", "1:7", "\"http\" has no \"listen\", expected one"},
      {"http_on_a_unix_socket", "http: {listen: \"unix:/run/x\"}\n", "1:16", "expected an IP address and port"},
      {"http_without_port", "http: {listen: \"127.0.0.1\"}\n", "1:16", "expected an IP address and port"},
      {"admin_socket_relative", "admin: {socket: x.sock}\n", "1:17", "expected an absolute path of at most 107 bytes, or none"},
      {"explain_too_many", "limits: {explain: 65537}\n", "1:19", "expected a number from 0 to 65536"},
      {"kubernetes_empty", "kubernetes: {}\n", "1:13", "expected one of: node, cluster"},
      {"kubernetes_without_node", "kubernetes: {cluster: prod}\n", "1:23", "has no \"node\", expected one"},
      {"kubernetes_server", "kubernetes: {node: a, api_server: \"http://x\"}\n", "1:35", "expected an address such as"},
      {"pod_without_kubernetes", "backends: [{name: a, match: {pod_labels: {app: b}}}]\n", "1:19", "is told by its pod"},
      {"pod_labels_no_text", "backends: [{name: a, match: {pod_labels: {app: 1}}}]\n", "1:48", "expected"},
      {"flow_list_not_closed", "fronts: [\n", "2:1", "end of sequence flow not found"},
      {"quote_not_closed", "write_query: \"x\n", "2:1", "illegal document indicator in scalar"},
      {"indentation", "limits:\n  connections: 5\n   exchanges: 6\n", "3:13", "illegal map value"},
      {"alias_without_anchor", "fronts: *nobody\n", "1:9", "anchor is not defined"},
      {"alias_within_its_anchor", "limits: &l\n  connections: *l\n", "2:16", "contains it"},
      {"alias_bomb", alias_bomb(), "5:45", "too many values, expected at most 100000"},
      {"nested_17_deep", repeated("[", 17) + repeated("]", 17), "1:17", "nested too deeply, expected at most 16 levels"},
      {"nested_17_deep_by_aliases", "a: &a " + repeated("[", 10) + repeated("]", 10) + "\nb: " + repeated("[", 6) + "*a" + repeated("]", 6), "2:10",
       "nested too deeply"},
      {"nested_a_million_deep", repeated("- ", 500'000), "1:33", "nested too deeply"},
      {"too_many_keys", [] {
         std::string text;
         for (int i = 0; i < 1001; ++i) text += fmt::format("k{}: 1\n", i);
         return text;
       }(), "1001:1", "too many keys"},
      {"file_too_large", std::string((1u << 20) + 1, '\n'), "1:1", "is too large, expected at most 1048576 bytes"},
      {"tag", "limits: {connections: !!int 5}\n", "1:23", "tags are not supported"},
      {"key_that_is_a_list", "[a, b]: 1\n", "1:1", "expected a key that is text"},
      {"second_document", "write_query: true\n---\nwrite_query: false\n", "2:1", "a second document begins here"},
      {"bytes_that_are_not_utf8", "write_query: true # caf\xe9\n", "1:24", "not UTF-8"},
      {"end_of_transmission_character", "fronts: []\n\x04\nexemptions: []\n", "2:1", "a control character"},
      {"column_after_wide_characters", "backends: [{name: \"\xc3\xa9\xe2\x82\xac\", listen: 5}]\n", "1:33", "expected a list"},
      {"place_after_byte_order_mark", "\xEF\xBB\xBFrulez: 1\n", "1:1", "unknown key \"rulez\""},
  };
  return kRows;
}

// What gtest would print of a row is its bytes.
void PrintTo(const WrongConfig& row, std::ostream* stream) { *stream << row.test_name; }

class ConfigErrors : public testing::TestWithParam<WrongConfig> {};

TEST_P(ConfigErrors, points_at_the_offender_and_says_what_was_expected) {
  const ConfigDirectory directory;
  const std::string file = directory.write("main.yaml", GetParam().text);
  const auto config = directory.load();
  ASSERT_FALSE(config);
  EXPECT_THAT(config.error().message, testing::StartsWith(file + ":" + GetParam().place + ": "));
  EXPECT_THAT(config.error().message, testing::HasSubstr(GetParam().saying));
}

INSTANTIATE_TEST_SUITE_P(Wrong, ConfigErrors, testing::ValuesIn(wrong_configs()),
                         [](const auto& row) { return std::string(row.param.test_name); });

TEST(ConfigCheckJson, tells_place_and_message_apart) {
  const auto wrong = nlohmann::json::parse(config_check_json(parse_config("limits:\n  connections: no\n", "/etc/a:1/main.yaml"), true));
  EXPECT_EQ(wrong["valid"], false);
  ASSERT_EQ(wrong["errors"].size(), 1u);
  EXPECT_EQ(wrong["errors"][0]["file"], "/etc/a:1/main.yaml");
  EXPECT_EQ(wrong["errors"][0]["line"], 2);
  EXPECT_EQ(wrong["errors"][0]["column"], 16);
  EXPECT_THAT(wrong["errors"][0]["message"].get<std::string>(), testing::StartsWith("expected a number"));
  EXPECT_FALSE(wrong.contains("effective"));
  const auto good = nlohmann::json::parse(config_check_json(parse_config("write_query: true\n", "main.yaml"), true));
  EXPECT_EQ(good["valid"], true);
  EXPECT_THAT(good["effective"].get<std::string>(), testing::HasSubstr("write_query: true"));
}

}  // namespace
}  // namespace mtlswatch
