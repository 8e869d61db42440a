// SPDX-License-Identifier: Apache-2.0
// The strict layer over yaml-cpp: a tree that remembers where every key and value stands, and readers that take one
// value each or say at which line and column it is wrong. Used by config_loader only; no yaml-cpp type or exception
// passes it. Every Error here reads "LINE:COLUMN: message"; the caller puts the file's name before it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "userspace/base/result.h"

namespace mtlswatch {

inline constexpr std::size_t kYamlBytes = 1u << 20;  ///< larger files are refused
inline constexpr std::size_t kYamlDepth = 16;        ///< of nested lists and mappings, aliases expanded
inline constexpr std::size_t kYamlValues = 100'000;  ///< of one file, aliases expanded

/// Line and column from 1; a column is one character (not one byte).
struct YamlPlace {
  int line = 1;
  int column = 1;
};

struct YamlEntry;

/// One value. An alias is the value it stands for, at the place where that is written.
struct YamlNode {
  enum class Kind { kNull, kScalar, kList, kMapping };
  Kind kind = Kind::kNull;
  YamlPlace place;  ///< of a value left empty: its key's, or its list's
  bool quoted = false;
  std::string text;
  std::vector<YamlNode> items;
  std::vector<YamlEntry> entries;  ///< in order, keys unique
};

struct YamlEntry {
  std::string key;
  YamlPlace key_place;
  YamlNode value;
};

/// Reads one document. Errors: bytes that are not UTF-8, control characters, YAML syntax, duplicate and non-text keys,
/// explicit tags, a second document, and the three limits above. No document at all is a kNull node.
Result<YamlNode> parse_yaml(const std::string& text);

Error yaml_error(YamlPlace place, const std::string& message);
/// "LINE:COLUMN: expected WHAT, found ..." at the node.
Error yaml_expected(const YamlNode& node, const std::string& what);

/// Takes one value into where it was bound to, or says what is wrong with it.
using YamlReader = std::function<Status(const YamlNode&)>;

struct YamlField {
  std::string key;
  YamlReader read;
};

/// Reads a mapping whose keys are all among fields. An unknown key is an error that suggests the nearest known one.
Status read_mapping(const YamlNode& node, const std::vector<YamlField>& fields);
/// Reads a list, item after item.
Status read_list(const YamlNode& node, const YamlReader& read_item);
/// The value of key in a mapping, or null: also for a node that is no mapping.
const YamlNode* find_value(const YamlNode& node, const std::string& key);

/// Text that is not empty. Plain numbers, true and false are no text: an operator who means text quotes them.
Result<std::string> read_text(const YamlNode& node);
/// One of words; a near miss is suggested.
Result<std::string> read_word(const YamlNode& node, const std::vector<std::string>& words);
/// A plain decimal number from lowest to highest.
Result<std::uint32_t> read_number(const YamlNode& node, std::uint32_t lowest, std::uint32_t highest);
Result<bool> read_flag(const YamlNode& node);

/// The known word nearest to word, if it is near enough to be a typing error.
std::optional<std::string> nearest_word(const std::string& word, const std::vector<std::string>& known);

}  // namespace mtlswatch
