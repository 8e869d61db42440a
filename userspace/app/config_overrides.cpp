// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/config_overrides.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <string_view>

namespace mtlswatch {
namespace {

const std::vector<std::string>& known_keys() {
  static const std::vector<std::string> kKeys = {
      "backends",         "fronts",         "identity_headers",  "exemptions",        "rules",
      "outputs",          "http.listen",    "admin.socket",      "limits.ring_bytes", "limits.connections",
      "limits.exchanges", "limits.explain", "limits.identities", "write_query",
      "kubernetes.node",  "kubernetes.api_server", "kubernetes.ca_file", "kubernetes.token_file", "kubernetes.cluster"};
  return kKeys;
}

std::string variable_name(const std::string& key) {
  std::string name = "MTLSWATCH_";
  for (const char c : key) name += c == '.' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

YamlNode mapping_of(const std::string& key, YamlNode value) {
  YamlNode node;
  node.kind = YamlNode::Kind::kMapping;
  node.entries.push_back({key, value.place, std::move(value)});
  return node;
}

}  // namespace

std::vector<Override> environment_overrides(const char* const* environment) {
  std::vector<Override> found;
  for (; environment != nullptr && *environment != nullptr; ++environment) {
    const std::string_view variable = *environment;
    const auto equals = variable.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string name(variable.substr(0, equals));
    const auto is_named = [&](const std::string& key) { return variable_name(key) == name; };
    const auto key = std::find_if(known_keys().begin(), known_keys().end(), is_named);
    if (key != known_keys().end()) found.push_back({*key, std::string(variable.substr(equals + 1)), name});
  }
  std::sort(found.begin(), found.end(), [](const Override& a, const Override& b) { return a.key < b.key; });
  return found;
}

Result<Override> parse_override(const std::string& setting) {
  const auto equals = setting.find('=');
  const std::string key = setting.substr(0, equals);
  const std::string name = "--set " + key;
  if (equals == std::string::npos) return Error{name + ":1:1: expected KEY=VALUE"};
  if (std::find(known_keys().begin(), known_keys().end(), key) == known_keys().end()) {
    const auto nearest = nearest_word(key, known_keys());
    return Error{name + ":1:1: unknown key" + (nearest ? "; did you mean \"" + *nearest + "\"?" : "")};
  }
  return Override{key, setting.substr(equals + 1), name};
}

Result<YamlNode> override_tree(const Override& item) {
  auto value = parse_yaml(item.value);
  if (!value) return value.error();
  const auto dot = item.key.find('.');
  YamlNode node = std::move(*value);
  if (dot != std::string::npos) node = mapping_of(item.key.substr(dot + 1), std::move(node));
  return mapping_of(item.key.substr(0, dot), std::move(node));
}

}  // namespace mtlswatch
