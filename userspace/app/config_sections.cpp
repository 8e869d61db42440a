// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/config_sections.h"

#include <bit>
#include <utility>

namespace mtlswatch {
namespace {

// ---- one reader a value: each binds a place in the Config ---------------------------------------------------------

YamlReader into_text(std::string& target) {
  return [&target](const YamlNode& node) -> Status {
    auto text = read_text(node);
    if (!text) return text.error();
    target = std::move(*text);
    return Done{};
  };
}

/// An executable is compared with a whole path: a relative one would never match.
YamlReader into_absolute_path(std::string& target) {
  return [&target](const YamlNode& node) -> Status {
    auto text = read_text(node);
    if (!text || !text->starts_with('/')) return yaml_expected(node, "an absolute path");
    target = std::move(*text);
    return Done{};
  };
}

YamlReader into_uid(std::optional<std::uint32_t>& target) {
  return [&target](const YamlNode& node) -> Status {
    const auto uid = read_number(node, 0, UINT32_MAX - 1);
    if (!uid) return uid.error();
    target = *uid;
    return Done{};
  };
}

YamlReader into_texts(std::vector<std::string>& target) {
  return [&target](const YamlNode& list) {
    return read_list(list, [&target](const YamlNode& node) { return into_text(target.emplace_back())(node); });
  };
}

/// A list of what parse makes of each text: addresses, ranges.
template <typename T>
YamlReader into_parsed(std::vector<T>& target, Result<T> (*parse)(const std::string&)) {
  return [&target, parse](const YamlNode& list) {
    return read_list(list, [&target, parse](const YamlNode& node) -> Status {
      const auto text = read_text(node);
      if (!text) return text.error();
      auto parsed = parse(*text);
      if (!parsed) return yaml_error(node.place, parsed.error().message);
      target.push_back(std::move(*parsed));
      return Done{};
    });
  };
}

Result<Cidr> parse_range(const std::string& text) {
  auto range = parse_cidr(text);
  return range ? range : Error{range.error().message + ", expected an address range such as \"10.0.0.0/8\""};
}

Status read_match(const YamlNode& node, std::optional<BackendMatch>& target) {
  BackendMatch& match = target.emplace();
  const auto status = read_mapping(node, {{"executable", into_absolute_path(match.executable)},
                                          {"command_line", into_text(match.command_line)},
                                          {"cgroup", into_text(match.cgroup)},
                                          {"uid", into_uid(match.uid)}});
  if (status && node.entries.empty())
    return yaml_error(node.place, "expected one of: executable, command_line, cgroup, uid");
  return status;
}

/// An operator must not believe that the agent verifies chains itself while it does not.
Status refuse_client_ca(const YamlNode& node) {
  return yaml_error(node.place, "\"client_ca\" is not supported by this version, expected it to be absent");
}

Status read_requests(const YamlNode& node, RequestsWritten& target) {
  const auto word = read_word(node, {"all", "violations"});
  if (!word) return word.error();
  target = *word == "all" ? RequestsWritten::kAll : RequestsWritten::kViolations;
  return Done{};
}

Status read_output_type(const YamlNode& node, std::string& target) {
  const auto word = read_word(node, {"json", "webhook", "alertmanager", "syslog"});
  if (!word) return word.error();
  if (*word != "json")
    return yaml_error(node.place, "output type \"" + *word + "\" is not supported by this version, expected \"json\"");
  target = *word;
  return Done{};
}

}  // namespace

YamlReader into_number(std::uint32_t& target, std::uint32_t lowest, std::uint32_t highest) {
  return [&target, lowest, highest](const YamlNode& node) -> Status {
    const auto number = read_number(node, lowest, highest);
    if (!number) return number.error();
    target = *number;
    return Done{};
  };
}

YamlReader into_flag(bool& target) {
  return [&target](const YamlNode& node) -> Status {
    const auto flag = read_flag(node);
    if (!flag) return flag.error();
    target = *flag;
    return Done{};
  };
}

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
  const auto status =
      read_mapping(node, {{"name", into_text(backend.name)},
                          {"listen", into_parsed(backend.listen, parse_endpoint)},
                          {"match", [&](const YamlNode& value) { return read_match(value, backend.match); }},
                          {"proxies", into_parsed(proxies, parse_range)},
                          {"client_ca", refuse_client_ca},
                          {"intermediaries", into_texts(backend.intermediaries)},
                          {"requests", [&](const YamlNode& value) { return read_requests(value, backend.requests); }}});
  if (!status) return status;
  if (find_value(node, "proxies") != nullptr) backend.proxies = std::move(proxies);
  if (backend.name.empty()) return yaml_error(node.place, "this backend has no \"name\", expected one");
  if (backend.listen.empty() && !backend.match) {
    return yaml_error(node.place,
                      "backend \"" + backend.name + "\" has neither \"listen\" nor \"match\", expected at least one");
  }
  return Done{};
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

Status read_output(const YamlNode& node, OutputConfig& output) {
  // The type decides which keys there are, so it is judged first.
  const YamlNode* type = find_value(node, "type");
  if (type != nullptr) {
    if (const auto status = read_output_type(*type, output.type); !status) return status;
  }
  const YamlReader read_event = [&output](const YamlNode& item) -> Status {
    auto word = read_word(item, {"request", "handshake", "alert", "agent"});
    if (!word) return word.error();
    output.events.push_back(std::move(*word));
    return Done{};
  };
  const auto status =
      read_mapping(node, {{"type", [](const YamlNode&) { return Status(Done{}); }},
                          {"path", into_text(output.path)},
                          {"events", [&](const YamlNode& list) { return read_list(list, read_event); }}});
  if (!status) return status;
  if (type == nullptr) return yaml_error(node.place, "this output has no \"type\", expected one");
  const YamlNode* events = find_value(node, "events");
  if (events != nullptr && events->items.empty())
    return yaml_error(events->place, "expected at least one event, or no \"events\" for all");
  return Done{};
}

}  // namespace mtlswatch
