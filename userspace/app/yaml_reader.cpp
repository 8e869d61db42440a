// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/yaml_reader.h"

#include <algorithm>
#include <charconv>

namespace mtlswatch {
namespace {

std::string quoted(const std::string& word) {
  constexpr std::size_t kShown = 60;
  return "\"" + (word.size() > kShown ? word.substr(0, kShown) + "..." : word) + "\"";
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

bool is_number(const std::string& text) {
  const std::size_t start = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
  return text.size() > start && text.find_first_not_of("0123456789.", start) == std::string::npos &&
         std::count(text.begin(), text.end(), '.') <= 1;
}

bool is_flag(const std::string& text) {
  static const std::vector<std::string> kFlags = {"true", "True", "TRUE", "false", "False", "FALSE"};
  return std::find(kFlags.begin(), kFlags.end(), text) != kFlags.end();
}

bool is_plain_text(const YamlNode& node) {
  if (node.kind != YamlNode::Kind::kScalar || node.text.empty()) return false;
  return node.quoted || (!is_number(node.text) && !is_flag(node.text));
}

std::string found(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      return "nothing";
    case YamlNode::Kind::kList:
      return "a list";
    case YamlNode::Kind::kMapping:
      return "a mapping";
    case YamlNode::Kind::kScalar:
      break;
  }
  if (is_plain_text(node) || node.quoted) return "the text " + quoted(node.text);
  return (is_number(node.text) ? "the number " : "the flag ") + node.text.substr(0, 60);
}

// Levenshtein's distance, one row at a time.
std::size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

Error unknown_key(const YamlEntry& entry, const std::vector<YamlField>& fields) {
  std::vector<std::string> known;
  for (const auto& field : fields) known.push_back(field.key);
  const auto nearest = nearest_word(entry.key, known);
  const std::string hint = nearest ? "; did you mean " + quoted(*nearest) + "?" : "";
  return yaml_error(entry.key_place, "unknown key " + quoted(entry.key) + ", expected one of: " + joined(known) + hint);
}

}  // namespace

Error yaml_error(YamlPlace place, const std::string& message) {
  return Error{std::to_string(place.line) + ":" + std::to_string(place.column) + ": " + message};
}

Error yaml_expected(const YamlNode& node, const std::string& what) {
  return yaml_error(node.place, "expected " + what + ", found " + found(node));
}

std::optional<std::string> nearest_word(const std::string& word, const std::vector<std::string>& known) {
  constexpr std::size_t kLongest = 64;  // no key of ours is longer, and the distance is quadratic
  if (word.size() > kLongest) return std::nullopt;
  std::optional<std::string> nearest;
  std::size_t least = std::max<std::size_t>(2, word.size() / 3) + 1;
  for (const auto& candidate : known) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance >= least || distance >= candidate.size()) continue;
    least = distance;
    nearest = candidate;
  }
  return nearest;
}

Status read_mapping(const YamlNode& node, const std::vector<YamlField>& fields) {
  if (node.kind != YamlNode::Kind::kMapping) return yaml_expected(node, "a mapping");
  for (const auto& entry : node.entries) {
    const auto field =
        std::find_if(fields.begin(), fields.end(), [&](const YamlField& f) { return f.key == entry.key; });
    if (field == fields.end()) return unknown_key(entry, fields);
    if (const auto status = field->read(entry.value); !status) return status.error();
  }
  return Done{};
}

Status read_list(const YamlNode& node, const YamlReader& read_item) {
  if (node.kind != YamlNode::Kind::kList) return yaml_expected(node, "a list");
  for (const auto& item : node.items) {
    if (const auto status = read_item(item); !status) return status.error();
  }
  return Done{};
}

const YamlNode* find_value(const YamlNode& node, const std::string& key) {
  const auto entry =
      std::find_if(node.entries.begin(), node.entries.end(), [&](const YamlEntry& e) { return e.key == key; });
  return entry == node.entries.end() ? nullptr : &entry->value;
}

Result<std::string> read_text(const YamlNode& node) {
  if (!is_plain_text(node)) return yaml_expected(node, "text");
  return node.text;
}

Result<std::string> read_word(const YamlNode& node, const std::vector<std::string>& words) {
  if (is_plain_text(node) && std::find(words.begin(), words.end(), node.text) != words.end()) return node.text;
  const auto nearest = is_plain_text(node) ? nearest_word(node.text, words) : std::nullopt;
  const auto error = yaml_expected(node, words.size() > 1 ? "one of: " + joined(words) : quoted(words.front()));
  return nearest ? Error{error.message + "; did you mean " + quoted(*nearest) + "?"} : error;
}

Result<std::uint32_t> read_number(const YamlNode& node, std::uint32_t lowest, std::uint32_t highest) {
  std::uint32_t number = 0;
  const char* end = node.text.data() + node.text.size();
  const auto [stop, failure] = std::from_chars(node.text.data(), end, number);
  const bool plain = node.kind == YamlNode::Kind::kScalar && !node.quoted && failure == std::errc() && stop == end;
  if (plain && number >= lowest && number <= highest) return number;
  return yaml_expected(node, "a number from " + std::to_string(lowest) + " to " + std::to_string(highest));
}

Result<bool> read_flag(const YamlNode& node) {
  if (node.kind != YamlNode::Kind::kScalar || node.quoted || !is_flag(node.text))
    return yaml_expected(node, "true or false");
  return node.text[0] == 't' || node.text[0] == 'T';
}

}  // namespace mtlswatch
