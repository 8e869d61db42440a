// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/config_values.h"

namespace mtlswatch {

YamlReader into_text(std::string& target) {
  return [&target](const YamlNode& node) -> Status {
    auto text = read_text(node);
    if (!text) return text.error();
    target = std::move(*text);
    return Done{};
  };
}

YamlReader into_texts(std::vector<std::string>& target) {
  return [&target](const YamlNode& list) {
    return read_list(list, [&target](const YamlNode& node) { return into_text(target.emplace_back())(node); });
  };
}

YamlReader into_text_map(std::map<std::string, std::string>& target) {
  return [&target](const YamlNode& node) -> Status {
    if (node.kind != YamlNode::Kind::kMapping || node.entries.empty()) return yaml_expected(node, "a mapping of texts");
    for (const YamlEntry& entry : node.entries) {
      const bool is_empty = entry.value.kind == YamlNode::Kind::kScalar && entry.value.quoted && entry.value.text.empty();
      std::string& value = target[entry.key];
      if (is_empty) continue;
      if (const auto status = into_text(value)(entry.value); !status) return status;
    }
    return Done{};
  };
}

YamlReader into_absolute_path(std::string& target) {
  return [&target](const YamlNode& node) -> Status {
    auto text = read_text(node);
    if (!text || !text->starts_with('/')) return yaml_expected(node, "an absolute path");
    target = std::move(*text);
    return Done{};
  };
}

YamlReader into_number(std::uint32_t& target, std::uint32_t lowest, std::uint32_t highest) {
  return [&target, lowest, highest](const YamlNode& node) -> Status {
    const auto number = read_number(node, lowest, highest);
    if (!number) return number.error();
    target = *number;
    return Done{};
  };
}

YamlReader into_number(std::optional<std::uint32_t>& target, std::uint32_t lowest, std::uint32_t highest) {
  return
      [&target, lowest, highest](const YamlNode& node) { return into_number(target.emplace(), lowest, highest)(node); };
}

YamlReader into_uid(std::optional<std::uint32_t>& target) { return into_number(target, 0, UINT32_MAX - 1); }

YamlReader into_flag(bool& target) {
  return [&target](const YamlNode& node) -> Status {
    const auto flag = read_flag(node);
    if (!flag) return flag.error();
    target = *flag;
    return Done{};
  };
}

Result<Cidr> parse_range(const std::string& text) {
  auto range = parse_cidr(text);
  return range ? range : Error{range.error().message + ", expected an address range such as \"10.0.0.0/8\""};
}

Error lacks(const YamlNode& node, const std::string& what, const std::string& key) {
  return yaml_error(node.place, "this " + what + " has no \"" + key + "\", expected one");
}

}  // namespace mtlswatch
