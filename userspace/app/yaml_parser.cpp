// SPDX-License-Identifier: Apache-2.0
// parse_yaml: yaml-cpp's events made into a tree. Events, not YAML::Node, because a Node has lost duplicate keys, the
// places of keys and the difference between 8000 and "8000".
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <sstream>

#include "userspace/app/yaml_reader.h"
#include "userspace/sink/utf8.h"

namespace mtlswatch {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
// Said after the text: yaml-cpp takes the end of the file for a missing closing quote, but not this.
constexpr std::string_view kDocumentEnd = "...\n";

/// Finds lines and columns in the text, by byte position.
class PlaceFinder {
 public:
  explicit PlaceFinder(const std::string& text) : text_(text) {}

  YamlPlace at(std::size_t position) const {
    const auto end = text_.begin() + static_cast<std::ptrdiff_t>(std::min(position, text_.size()));
    return {1 + static_cast<int>(std::count(text_.begin(), end, '\n')), column(end)};
  }

  /// yaml-cpp counts lines as we do, but columns in bytes.
  YamlPlace at(const YAML::Mark& mark) const {
    constexpr int kExactColumns = 4096;  // further right they stay bytes: counting from the left would be quadratic
    if (mark.is_null()) return {};
    if (mark.column > kExactColumns) return {mark.line + 1, mark.column + 1};
    const auto position = std::min(static_cast<std::size_t>(mark.pos), text_.size());
    return {mark.line + 1, column(text_.begin() + static_cast<std::ptrdiff_t>(position))};
  }

  /// Whether an empty value was written out ("~", "null"), so that its mark is its own place and not the next token's.
  bool is_written_null(const YAML::Mark& mark) const {
    const auto position = std::min(static_cast<std::size_t>(mark.pos), text_.size());
    const std::string_view rest = std::string_view(text_).substr(position, 4);
    return rest.starts_with('~') || rest == "null" || rest == "Null" || rest == "NULL";
  }

 private:
  int column(std::string::const_iterator end) const {
    int characters = 1;
    while (end != text_.begin() && *--end != '\n') characters += (static_cast<unsigned char>(*end) & 0xc0) != 0x80;
    return characters;
  }
  const std::string& text_;
};

std::size_t values_in(const YamlNode& node) {
  std::size_t count = 1;
  for (const auto& item : node.items) count += values_in(item);
  for (const auto& entry : node.entries) count += values_in(entry.value);
  return count;
}

std::size_t depth_of(const YamlNode& node) {
  std::size_t deepest = 0;
  for (const auto& item : node.items) deepest = std::max(deepest, depth_of(item));
  for (const auto& entry : node.entries) deepest = std::max(deepest, depth_of(entry.value));
  return deepest + (node.kind == YamlNode::Kind::kList || node.kind == YamlNode::Kind::kMapping ? 1 : 0);
}

/// Builds the tree. After the first error it ignores what yaml-cpp still says: a callback cannot stop the parser.
class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(const PlaceFinder& places) : places_(places) {}

  std::optional<Error> error;
  YamlNode root;

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) fail(places_.at(mark), "a second document begins here, expected one");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(node_at(YamlNode::Kind::kNull, places_.is_written_null(mark) ? places_.at(mark) : empty_place()), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (error) return;
    const auto target = anchored_.find(anchor);
    if (target == anchored_.end()) return fail(places_.at(mark), "this alias stands for a value that contains it");
    if (open_.size() + depth_of(target->second) > kYamlDepth) return fail_depth(places_.at(mark));
    values_ += values_in(target->second) - 1;
    if (values_ >= kYamlValues) return fail_values(places_.at(mark));
    add(target->second, 0);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    YamlNode node = node_at(YamlNode::Kind::kScalar, places_.at(mark));
    node.quoted = tag == "!";
    node.text = value;
    if (!tag.empty() && tag != "!" && tag != "?") return fail_tag(node.place);
    add(std::move(node), anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::kList, mark, tag, anchor);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::kMapping, mark, tag, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapEnd() override { close(); }

 private:
  struct OpenNode {
    YamlNode node;
    YAML::anchor_t anchor = 0;
    bool has_key = false;  ///< the last entry waits for its value
  };

  static YamlNode node_at(YamlNode::Kind kind, YamlPlace place) {
    YamlNode node;
    node.kind = kind;
    node.place = place;
    return node;
  }

  void fail(YamlPlace place, const std::string& message) {
    if (!error) error = yaml_error(place, message);
  }
  void fail_depth(YamlPlace place) {
    fail(place, "nested too deeply, expected at most " + std::to_string(kYamlDepth) + " levels");
  }
  void fail_values(YamlPlace place) { fail(place, "too many values, expected at most " + std::to_string(kYamlValues)); }
  void fail_tag(YamlPlace place) { fail(place, "tags are not supported, expected a plain value"); }

  /// Where to point for a value that is not there.
  YamlPlace empty_place() const {
    if (open_.empty()) return {};
    const OpenNode& parent = open_.back();
    return parent.has_key ? parent.node.entries.back().key_place : parent.node.place;
  }

  void open(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    if (error) return;
    const YamlPlace place = places_.at(mark);
    if (!tag.empty() && tag != "?") return fail_tag(place);
    if (open_.size() == kYamlDepth) return fail_depth(place);
    open_.push_back({node_at(kind, place), anchor});
  }

  void close() {
    if (error) return;
    OpenNode done = std::move(open_.back());
    open_.pop_back();
    add(std::move(done.node), done.anchor);
  }

  void add(YamlNode node, YAML::anchor_t anchor) {
    if (error) return;
    if (++values_ > kYamlValues) return fail_values(node.place);
    if (anchor != 0) anchored_[anchor] = node;
    if (open_.empty()) {
      root = std::move(node);
    } else if (open_.back().node.kind == YamlNode::Kind::kList) {
      open_.back().node.items.push_back(std::move(node));
    } else if (open_.back().has_key) {
      open_.back().node.entries.back().value = std::move(node);
      open_.back().has_key = false;
    } else {
      add_key(std::move(node));
    }
  }

  void add_key(YamlNode key) {
    if (key.kind != YamlNode::Kind::kScalar) return fail(key.place, "expected a key that is text");
    auto& entries = open_.back().node.entries;
    for (const auto& entry : entries) {
      if (entry.key != key.text) continue;
      return fail(key.place, "duplicate key \"" + key.text + "\", expected it once: it is already at line " +
                                 std::to_string(entry.key_place.line));
    }
    if (entries.size() == kKeys) return fail(key.place, "too many keys, expected at most " + std::to_string(kKeys));
    entries.push_back({std::move(key.text), key.place, {}});
    open_.back().has_key = true;
  }

  static constexpr std::size_t kKeys = 1000;  // of one mapping: far above ours, and keeps the search above cheap
  const PlaceFinder& places_;
  std::vector<OpenNode> open_;
  std::map<YAML::anchor_t, YamlNode> anchored_;
  std::size_t values_ = 0;
  int documents_ = 0;
};

/// yaml-cpp takes 0x04 for the end of the file and replaces bad bytes silently: both would hide configuration.
std::optional<Error> check_characters(const std::string& text, const PlaceFinder& places) {
  for (std::size_t position = 0; position < text.size();) {
    const std::size_t bytes = utf8_sequence_bytes(std::string_view(text).substr(position));
    if (bytes == 0) return yaml_error(places.at(position), "a byte that is not UTF-8, expected UTF-8 text");
    const auto byte = static_cast<unsigned char>(text[position]);
    const bool control = (byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') || byte == 0x7f;
    if (control) return yaml_error(places.at(position), "a control character, expected text");
    position += bytes;
  }
  return std::nullopt;
}

}  // namespace

Result<YamlNode> parse_yaml(const std::string& file_text) {
  if (file_text.size() > kYamlBytes) {
    return yaml_error({}, "the file is too large, expected at most " + std::to_string(kYamlBytes) + " bytes");
  }
  const std::string text = file_text.starts_with(kByteOrderMark) ? file_text.substr(kByteOrderMark.size()) : file_text;
  const PlaceFinder places(text);
  if (auto error = check_characters(text, places)) return *error;
  TreeBuilder builder(places);
  try {
    std::istringstream stream(text + (text.ends_with('\n') ? "" : "\n") + std::string(kDocumentEnd));
    YAML::Parser parser(stream);
    while (!builder.error && parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& exception) {
    if (!builder.error) return yaml_error(places.at(exception.mark), exception.msg + ", expected YAML");
  } catch (const std::exception& exception) {
    return yaml_error({}, std::string("cannot be read: ") + exception.what());
  }
  if (builder.error) return *builder.error;
  return std::move(builder.root);
}

}  // namespace mtlswatch
