// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/config_policy.h"

#include <time.h>

#include "userspace/app/config_values.h"
#include "userspace/policy/request_path.h"
#include "userspace/policy/rules_catalogue.h"

namespace mtlswatch {
namespace {

constexpr std::uint32_t kMostSeconds = 86'400;

/// What a request's path is compared with must be as normalised as that is, or it would never match.
YamlReader into_exact_path(std::string& target) {
  return [&target](const YamlNode& node) -> Status {
    const auto text = read_text(node);
    if (!text || normalised_path(*text) != *text)
      return yaml_expected(node, "an exact, normalised path such as \"/healthz\"");
    target = *text;
    return Done{};
  };
}

YamlReader into_path_pattern(std::string& target) {
  return [&target](const YamlNode& node) -> Status {
    const auto text = read_text(node);
    if (!text || !text->starts_with('/'))
      return yaml_expected(node, "a path or a pattern of paths such as \"/admin/*\"");
    target = *text;
    return Done{};
  };
}

Result<std::int64_t> parse_expiry(const std::string& text) {
  constexpr std::int64_t kDayS = 86'400;
  for (const bool is_day : {true, false}) {
    tm calendar{};
    const char* end = ::strptime(text.c_str(), is_day ? "%Y-%m-%d" : "%Y-%m-%dT%H:%M:%SZ", &calendar);
    if (end != nullptr && *end == '\0') return timegm(&calendar) + (is_day ? kDayS : 0);
  }
  return Error{"expected a day such as \"2027-06-30\" or a UTC time such as \"2027-06-30T12:00:00Z\", found \"" + text +
               "\""};
}

YamlReader into_method(std::string& target) {
  return [&target](const YamlNode& node) -> Status {
    const auto text = read_text(node);
    if (!text || text->find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ-") != std::string::npos)
      return yaml_expected(node, "an HTTP method such as \"GET\"");
    target = *text;
    return Done{};
  };
}

Status read_process(const YamlNode& node, std::optional<ExemptionConfig::Process>& target) {
  ExemptionConfig::Process& process = target.emplace(ExemptionConfig::Process{});
  const auto status = read_mapping(node, {{"executable", into_absolute_path(process.executable)},
                                          {"uid", into_number(process.uid, 0, UINT32_MAX - 1)},
                                          {"cgroup", into_text(process.cgroup)}});
  if (!status) return status;
  for (const char* key : {"executable", "uid", "cgroup"}) {  // each alone is easily imitated
    if (find_value(node, key) == nullptr) return lacks(node, "process", key);
  }
  return Done{};
}

}  // namespace

std::vector<YamlField> access_fields(AccessPolicy& access) {
  return {{"require", into_word(access.is_public, {{"authenticated", false}, {"nothing", true}})},
          {"issuers", into_texts(access.issuers)},
          {"subjects", into_texts(access.subjects)}};
}

Status read_path_policy(const YamlNode& node, PathPolicy& policy) {
  std::vector<YamlField> fields = access_fields(policy.access);
  fields.push_back({"path", into_path_pattern(policy.path)});
  if (const auto status = read_mapping(node, fields); !status) return status;
  const YamlNode* path = find_value(node, "path");
  if (path == nullptr) return lacks(node, "path policy", "path");
  return policy.access.is_public ? into_exact_path(policy.path)(*path) : Done{};
}

Status read_exemption(const YamlNode& node, ExemptionConfig& exemption) {
  const auto into_expiry = [&exemption](const YamlNode& value) -> Status {
    if (const auto status = into_text(exemption.expires)(value); !status) return status;
    return into_parsed<std::int64_t>(exemption.expires_s, parse_expiry)(value);
  };
  const auto status =
      read_mapping(node, {{"name", into_text(exemption.name)},
                          {"owner", into_text(exemption.owner)},
                          {"reason", into_text(exemption.reason)},
                          {"expires", into_expiry},
                          {"backend", into_text(exemption.backend)},
                          {"process", [&](const YamlNode& value) { return read_process(value, exemption.process); }},
                          {"source", into_parsed<Cidr>(exemption.source, parse_range)},
                          {"method", into_method(exemption.method)},
                          {"path", into_exact_path(exemption.path)},
                          {"enabled", into_flag(exemption.enabled)}});
  if (!status) return status;
  for (const char* key : {"name", "owner", "reason", "expires", "method", "path"}) {
    if (find_value(node, key) == nullptr) return lacks(node, "exemption", key);
  }
  if (exemption.process.has_value() == exemption.source.has_value())
    return yaml_error(node.place, "exemption \"" + exemption.name + "\": expected either \"process\" or \"source\"");
  return Done{};
}

Status read_rule(const YamlNode& node, RuleConfig& rule) {
  std::vector<std::string> known = {"*"};
  for (const RuleInfo& info : rule_catalogue()) known.insert(known.end(), {info.id, info.name});
  const auto into_rule = [&](const YamlNode& value) -> Status {
    const auto word = read_word(value, known);
    if (!word) return word.error();
    rule.rule = *word;
    return Done{};
  };
  const auto status =
      read_mapping(node, {{"rule", into_rule},
                          {"enabled", [&](const YamlNode& value) { return into_flag(rule.enabled.emplace())(value); }},
                          {"threshold", into_number(rule.threshold, 1, 1'000'000)},
                          {"window", into_number(rule.window_s, 1, kMostSeconds)},
                          {"days", into_number(rule.days, 0, 3650)},
                          {"summary_after", into_number(rule.summary_after_s, 1, kMostSeconds)},
                          {"resolve_after", into_number(rule.resolve_after_s, 1, kMostSeconds)}});
  return status && rule.rule.empty() ? lacks(node, "entry", "rule") : status;
}

}  // namespace mtlswatch
