// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/config_sections.h"

#include <bit>
#include <utility>

#include "userspace/app/config_policy.h"
#include "userspace/app/config_values.h"
#include "userspace/base/small_file.h"
#include "userspace/policy/client_ca.h"

namespace mtlswatch {
namespace {

Status read_match(const YamlNode& node, std::optional<BackendMatch>& target) {
  BackendMatch& match = target.emplace();
  const auto status = read_mapping(node, {{"executable", into_absolute_path(match.executable)},
                                          {"command_line", into_text(match.command_line)},
                                          {"cgroup", into_text(match.cgroup)},
                                          {"uid", into_uid(match.uid)},
                                          {"pod_namespace", into_text(match.pod_namespace)},
                                          {"container", into_text(match.container)},
                                          {"pod_labels", into_text_map(match.pod_labels)},
                                          {"pod_annotations", into_text_map(match.pod_annotations)}});
  if (status && node.entries.empty())
    return yaml_error(node.place,
                      "expected one of: executable, command_line, cgroup, uid, pod_namespace, container, pod_labels, pod_annotations");
  return status;
}

/// A file, or its certificates: a recording holds those, so that it can be replayed where the file is not.
Status read_client_ca(const YamlNode& node, std::string& target) {
  auto text = read_text(node);
  const bool is_pem = text && text->starts_with("-----BEGIN ");
  if (!text || (!is_pem && !text->starts_with('/'))) return yaml_expected(node, "the absolute path of a PEM file");
  const auto read = is_pem ? Result<std::string>(*text) : read_small_file(*text, kYamlBytes);
  auto authorities = read ? ClientCa::plain_pem(*read) : read;
  if (!authorities) return yaml_error(node.place, (is_pem ? "\"client_ca\"" : *text) + " " + authorities.error().message);
  target = std::move(*authorities);
  return Done{};
}

}  // namespace

Status read_ring_bytes(const YamlNode& node, std::uint32_t& target) {
  const auto bytes = read_number(node, 1u << 16, 1u << 30);
  if (!bytes) return bytes.error();
  if (!std::has_single_bit(*bytes)) return yaml_expected(node, "a power of two");
  target = *bytes;
  return Done{};
}

/// Names of headers as HTTP allows them (RFC 9110 section 5.6.2): others would never match.
Status read_header_name(const YamlNode& node, std::vector<std::string>& target) {
  constexpr std::string_view kToken = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  auto name = read_text(node);
  if (!name || name->find_first_not_of(kToken) != std::string::npos)
    return yaml_expected(node, "the name of an HTTP header");
  target.push_back(std::move(*name));
  return Done{};
}

Status read_backend(const YamlNode& node, BackendConfig& backend) {
  std::vector<Cidr> proxies;
  std::vector<YamlField> fields = {
      {"name", into_text(backend.name)},
      {"listen", into_parsed_list(backend.listen, parse_endpoint)},
      {"match", [&](const YamlNode& value) { return read_match(value, backend.match); }},
      {"proxies", into_parsed_list(proxies, parse_range)},
      {"client_ca", [&](const YamlNode& value) { return read_client_ca(value, backend.client_ca); }},
      {"intermediaries", into_texts(backend.intermediaries)},
      {"requests", into_word(backend.requests, {{"all", RequestsWritten::kAll},
                                                {"violations", RequestsWritten::kViolations},
                                                {"sampled", RequestsWritten::kSampled}})},
      {"sample", into_number(backend.sample, 1, 1'000'000)},
      {"paths", [&](const YamlNode& list) {
         return read_list(list, [&](const YamlNode& item) { return read_path_policy(item, backend.paths.emplace_back()); });
       }}};
  for (YamlField& field : access_fields(backend.access)) fields.push_back(std::move(field));
  if (const auto status = read_mapping(node, fields); !status) return status;
  if (find_value(node, "proxies") != nullptr) backend.proxies = std::move(proxies);
  if (backend.name.empty()) return yaml_error(node.place, "this backend has no \"name\", expected one");
  if (backend.listen.empty() && !backend.match) {
    return yaml_error(node.place,
                      "backend \"" + backend.name + "\" has neither \"listen\" nor \"match\", expected at least one");
  }
  return Done{};
}

YamlReader into_node_name(std::string& target) {
  return [&target](const YamlNode& node) -> Status {
    constexpr std::string_view kCharacters = "abcdefghijklmnopqrstuvwxyz0123456789-.";
    auto name = read_text(node);
    const bool is_name = name && !name->empty() && name->size() <= 253 && name->find_first_not_of(kCharacters) == std::string::npos;
    if (!is_name) return yaml_expected(node, "the name of a node");
    target = std::move(*name);
    return Done{};
  };
}

YamlReader into_https_url(std::string& target) {
  return [&target](const YamlNode& node) -> Status {
    constexpr std::string_view kScheme = "https://";
    auto url = read_text(node);
    const bool is_url = url && url->starts_with(kScheme) && url->size() > kScheme.size() &&
                        url->find_first_of(" \t\"<>@/?#", kScheme.size()) == std::string::npos;
    if (!is_url) return yaml_expected(node, "an address such as \"https://192.0.2.1:6443\"");
    target = std::move(*url);
    return Done{};
  };
}

Status read_front(const YamlNode& node, FrontConfig& front) {
  const auto status =
      read_mapping(node, {{"executable", into_absolute_path(front.executable)}, {"uid", into_uid(front.uid)}});
  if (status && front.executable.empty())
    return yaml_error(node.place, "this front has no \"executable\", expected one");
  return status;
}

Status read_http(const YamlNode& node, std::string& target) {
  const YamlReader read_listen = [&target](const YamlNode& value) -> Status {
    const auto text = read_text(value);
    if (!text) return text.error();
    const auto endpoint = parse_endpoint(*text);
    if (!endpoint || endpoint->is_unix()) return yaml_expected(value, "an IP address and port such as \"127.0.0.1:9948\"");
    target = *text;
    return Done{};
  };
  const auto status = read_mapping(node, {{"listen", read_listen}});
  if (status && target.empty()) return yaml_error(node.place, "\"http\" has no \"listen\", expected one");
  return status;
}

Status read_admin(const YamlNode& node, std::string& target) {
  constexpr std::size_t kMostBytes = 107;  // sun_path of unix(7), with its ending NUL
  return read_mapping(node, {{"socket", [&target](const YamlNode& value) -> Status {
                                const auto text = read_text(value);
                                const bool is_path = text && text->starts_with('/') && text->size() <= kMostBytes;
                                if (!is_path && !(text && *text == "none")) {
                                  return yaml_expected(value, "an absolute path of at most 107 bytes, or none");
                                }
                                target = is_path ? *text : "";
                                return Done{};
                              }}});
}

}  // namespace mtlswatch
