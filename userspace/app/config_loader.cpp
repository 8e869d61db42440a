// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/config_loader.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <utility>

#include "userspace/app/config_outputs.h"
#include "userspace/app/config_overrides.h"
#include "userspace/app/config_policy.h"
#include "userspace/app/config_sections.h"
#include "userspace/app/config_values.h"
#include "userspace/base/small_file.h"

namespace mtlswatch {
namespace {

constexpr std::size_t kClientCasBytes = kYamlBytes / 2;

/// Fills one Config from one file after another, and remembers where what may be said only once was said.
class ConfigReader {
 public:
  Status read_file(const std::string& file);
  Status read_text(const std::string& text, const std::string& name);
  Status read_override(const Override& item);
  Status check() const;
  Config take() { return std::move(config_); }

 private:
  Status read_root(const YamlNode& root);
  Status read_named_backend(const YamlNode& node);
  Status read_named_exemption(const YamlNode& node);
  Status read_once(const char* what, const std::string& name, const YamlNode& node);
  Status read_limits(const YamlNode& node);
  Status read_kubernetes(const YamlNode& node);
  Status check_client_cas() const;
  Status check_kubernetes() const;
  YamlReader once(const std::string& key, YamlReader read);
  std::string place_text(YamlPlace place) const {
    return file_ + ":" + std::to_string(place.line) + ":" + std::to_string(place.column);
  }

  Config config_;
  std::string file_;
  std::map<std::string, std::string> scalar_places_;
  std::map<std::string, std::string> named_places_;  ///< "backend shop"
};

/// Reads value unless another file has set key already. Twice in one file is a duplicate key.
YamlReader ConfigReader::once(const std::string& key, YamlReader read) {
  return [this, key, read = std::move(read)](const YamlNode& node) -> Status {
    const auto [earlier, first] = scalar_places_.emplace(key, place_text(node.place));
    if (first) return read(node);
    return yaml_error(node.place, "\"" + key + "\" is already set at " + earlier->second + ", expected it once");
  };
}

Status ConfigReader::read_named_backend(const YamlNode& node) {
  BackendConfig& backend = config_.backends.emplace_back();
  if (const auto status = read_backend(node, backend); !status) return status;
  return read_once("backend", backend.name, node);
}

Status ConfigReader::read_named_exemption(const YamlNode& node) {
  ExemptionConfig& exemption = config_.exemptions.emplace_back();
  if (const auto status = read_exemption(node, exemption); !status) return status;
  return read_once("exemption", exemption.name, node);
}

/// Remembers where the thing of that name is defined; twice is an error.
Status ConfigReader::read_once(const char* what, const std::string& name, const YamlNode& node) {
  const YamlPlace place = find_value(node, "name")->place;
  const auto [earlier, first] = named_places_.emplace(what + (" " + name), place_text(place));
  if (first) return Done{};
  return yaml_error(place, what + (" \"" + name) + "\" is already defined at " + earlier->second + ", expected another name");
}

Status ConfigReader::read_limits(const YamlNode& node) {
  constexpr std::uint32_t kMostEntries = 1u << 24;
  constexpr std::uint32_t kMostKept = 1u << 16;
  LimitsConfig& limits = config_.limits;
  const YamlReader ring_bytes = [&](const YamlNode& value) { return read_ring_bytes(value, limits.ring_bytes); };
  return read_mapping(node, {{"ring_bytes", once("limits.ring_bytes", ring_bytes)},
                             {"connections", once("limits.connections", into_number(limits.connections, 1, kMostEntries))},
                             {"exchanges", once("limits.exchanges", into_number(limits.exchanges, 1, kMostEntries))},
                             {"explain", once("limits.explain", into_number(limits.explain, 0, kMostKept))},
                             {"identities", once("limits.identities", into_number(limits.identities, 0, kMostKept))}});
}

Status ConfigReader::read_kubernetes(const YamlNode& node) {
  if (node.kind == YamlNode::Kind::kMapping && node.entries.empty()) return yaml_error(node.place, "expected one of: node, cluster, api_server, ca_file, token_file");
  KubernetesConfig& kubernetes = config_.kubernetes;
  return read_mapping(node, {{"node", once("kubernetes.node", into_node_name(kubernetes.node))},
                             {"api_server", once("kubernetes.api_server", into_https_url(kubernetes.api_server))},
                             {"ca_file", once("kubernetes.ca_file", into_absolute_path(kubernetes.ca_file))},
                             {"token_file", once("kubernetes.token_file", into_absolute_path(kubernetes.token_file))},
                             {"cluster", once("kubernetes.cluster", into_text(kubernetes.cluster))}});
}

/// What can be said only when everything has been read.
Status ConfigReader::check() const {
  const auto status = check_client_cas();
  return status ? check_kubernetes() : status;
}

/// A recording holds the configuration, authorities and all, and is read again as one file.
Status ConfigReader::check_client_cas() const {
  std::size_t bytes = 0;
  for (const BackendConfig& backend : config_.backends) {
    bytes += backend.client_ca.size();
    if (bytes <= kClientCasBytes) continue;
    return Error{named_places_.at("backend " + backend.name) + ": \"client_ca\" of the backends up to \"" + backend.name +
                 "\" has more than " + std::to_string(kClientCasBytes) + " bytes together, expected the authorities of your clients alone"};
  }
  return Done{};
}

/// A pod is known by the API server alone, and that is asked about a node.
Status ConfigReader::check_kubernetes() const {
  if (!config_.kubernetes.node.empty()) return Done{};
  const auto said = std::find_if(scalar_places_.begin(), scalar_places_.end(),
                                 [](const auto& item) { return item.first.starts_with("kubernetes."); });
  if (said != scalar_places_.end()) return Error{said->second + ": \"kubernetes\" has no \"node\", expected one"};
  for (const BackendConfig& backend : config_.backends) {
    if (!backend.match || !backend.match->asks_for_a_pod()) continue;
    const std::string place = named_places_.at("backend " + backend.name);
    return Error{place + ": backend \"" + backend.name + "\" is told by its pod, expected \"kubernetes\" with a \"node\""};
  }
  return Done{};
}

Status ConfigReader::read_root(const YamlNode& root) {
  if (root.kind == YamlNode::Kind::kNull) return Done{};
  if (root.kind != YamlNode::Kind::kMapping) return yaml_expected(root, "a mapping");
  const auto list_of = [](YamlReader read_item) {
    return [read_item = std::move(read_item)](const YamlNode& node) { return read_list(node, read_item); };
  };
  return read_mapping(
      root, {{"backends", list_of([this](const YamlNode& node) { return read_named_backend(node); })},
             {"fronts", list_of([this](const YamlNode& node) { return read_front(node, config_.fronts.emplace_back()); })},
             {"identity_headers",
              list_of([this](const YamlNode& node) { return read_header_name(node, config_.identity_headers); })},
             {"exemptions", list_of([this](const YamlNode& node) { return read_named_exemption(node); })},
             {"rules", list_of([this](const YamlNode& node) { return read_rule(node, config_.rules.emplace_back()); })},
             {"outputs", list_of([this](const YamlNode& node) { return read_output(node, config_.outputs.emplace_back()); })},
             {"http", once("http", [this](const YamlNode& node) { return read_http(node, config_.http_listen); })},
             {"admin", once("admin", [this](const YamlNode& node) { return read_admin(node, config_.admin_socket); })},
             {"kubernetes", [this](const YamlNode& node) { return read_kubernetes(node); }},
             {"limits", [this](const YamlNode& node) { return read_limits(node); }},
             {"write_query", once("write_query", into_flag(config_.write_query))}});
}

Status ConfigReader::read_file(const std::string& file) {
  const auto text = read_small_file(file, kYamlBytes);
  if (!text) return Error{file + ":" + yaml_error({}, text.error().message).message};
  return read_text(*text, file);
}

Status ConfigReader::read_text(const std::string& text, const std::string& name) {
  file_ = name;
  const auto in_file = [&](const Error& error) { return Error{name + ":" + error.message}; };
  const auto root = parse_yaml(text);
  if (!root) return in_file(root.error());
  const auto status = read_root(*root);
  return status ? status : in_file(status.error());
}

/// Forgets what the files said of the key, then reads the value as if a file had it.
Status ConfigReader::read_override(const Override& item) {
  file_ = item.name;
  scalar_places_.erase(item.key);
  scalar_places_.erase(item.key.substr(0, item.key.find('.')));
  if (item.key == "backends") config_.backends.clear();
  if (item.key == "fronts") config_.fronts.clear();
  if (item.key == "identity_headers") config_.identity_headers.clear();
  if (item.key == "exemptions") config_.exemptions.clear();
  if (item.key == "rules") config_.rules.clear();
  if (item.key == "outputs") config_.outputs.clear();
  if (item.key == "backends" || item.key == "exemptions") {
    std::erase_if(named_places_, [&](const auto& entry) { return item.key.starts_with(entry.first.substr(0, entry.first.find(' '))); });
  }
  const auto tree = override_tree(item);
  const auto status = tree ? read_root(*tree) : Status(tree.error());
  return status ? status : Error{item.name + ":" + status.error().message};
}

/// The *.yaml files of a directory in name order; hidden ones are left out. A directory that is absent has none.
Result<std::vector<std::string>> drop_in_files(const std::filesystem::path& directory) {
  namespace fs = std::filesystem;
  std::error_code error;
  fs::directory_iterator entry(directory, error);
  if (error == std::errc::no_such_file_or_directory) return std::vector<std::string>{};
  std::vector<std::string> files;
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    const fs::path& path = entry->path();
    if (path.extension() == ".yaml" && !path.filename().string().starts_with('.')) files.push_back(path.string());
  }
  if (error) return Error{directory.string() + ":1:1: cannot be read: " + error.message()};
  std::sort(files.begin(), files.end());
  return files;
}

bool is_absent(const std::string& file) { return ::access(file.c_str(), F_OK) != 0 && errno == ENOENT; }

}  // namespace

Result<Config> load_config(const LoadOptions& options) {
  const bool is_default = options.file.empty();
  const std::string& file = is_default ? options.default_file : options.file;
  const auto drop_ins = drop_in_files(std::filesystem::path(file).parent_path() / "conf.d");
  if (!drop_ins) return drop_ins.error();
  ConfigReader reader;
  std::vector<std::string> files;
  if (!is_default || !is_absent(file)) files.push_back(file);
  files.insert(files.end(), drop_ins->begin(), drop_ins->end());
  for (const auto& each : files) {
    if (const auto status = reader.read_file(each); !status) return status.error();
  }
  std::vector<Override> overrides = environment_overrides(options.environment);
  for (const std::string& setting : options.settings) {
    auto item = parse_override(setting);
    if (!item) return item.error();
    overrides.push_back(std::move(*item));
  }
  for (const Override& item : overrides) {
    if (const auto status = reader.read_override(item); !status) return status.error();
  }
  if (const auto status = reader.check(); !status) return status.error();
  return reader.take();
}

Result<Config> parse_config(const std::string& text, const std::string& name) {
  ConfigReader reader;
  if (const auto status = reader.read_text(text, name); !status) return status.error();
  if (const auto status = reader.check(); !status) return status.error();
  return reader.take();
}

}  // namespace mtlswatch
