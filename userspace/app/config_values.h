// SPDX-License-Identifier: Apache-2.0
// Readers that bind one value of the configuration to its place in the Config. Used by the sections' readers.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "userspace/app/yaml_reader.h"
#include "userspace/model/address.h"

namespace mtlswatch {

YamlReader into_text(std::string& target);
YamlReader into_texts(std::vector<std::string>& target);
/// A mapping of texts: labels. It has at least one.
YamlReader into_text_map(std::map<std::string, std::string>& target);
/// An absolute path: a relative one would never match, or depend on where the agent was started.
YamlReader into_absolute_path(std::string& target);
YamlReader into_number(std::uint32_t& target, std::uint32_t lowest, std::uint32_t highest);
YamlReader into_number(std::optional<std::uint32_t>& target, std::uint32_t lowest, std::uint32_t highest);
YamlReader into_uid(std::optional<std::uint32_t>& target);
YamlReader into_flag(bool& target);

/// One of words, taken as the value beside it.
template <typename T>
YamlReader into_word(T& target, const std::vector<std::pair<std::string, T>>& words) {
  return [&target, words](const YamlNode& node) -> Status {
    std::vector<std::string> known;
    for (const auto& [word, value] : words) known.push_back(word);
    const auto word = read_word(node, known);
    if (!word) return word.error();
    for (const auto& [each, value] : words) {
      if (each == *word) target = value;
    }
    return Done{};
  };
}

/// What parse makes of one text.
template <typename T, typename Target>
YamlReader into_parsed(Target& target, Result<T> (*parse)(const std::string&)) {
  return [&target, parse](const YamlNode& node) -> Status {
    const auto text = read_text(node);
    if (!text) return text.error();
    auto parsed = parse(*text);
    if (!parsed) return yaml_error(node.place, parsed.error().message);
    target = std::move(*parsed);
    return Done{};
  };
}

/// A list of what parse makes of each text: addresses, ranges.
template <typename T>
YamlReader into_parsed_list(std::vector<T>& target, Result<T> (*parse)(const std::string&)) {
  return [&target, parse](const YamlNode& list) {
    return read_list(
        list, [&target, parse](const YamlNode& node) { return into_parsed<T>(target.emplace_back(), parse)(node); });
  };
}

/// "10.0.0.0/8" or one address.
Result<Cidr> parse_range(const std::string& text);

/// The error of a mapping that lacks a key which it must have.
Error lacks(const YamlNode& node, const std::string& what, const std::string& key);

}  // namespace mtlswatch
