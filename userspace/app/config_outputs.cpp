// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/config_outputs.h"

#include "userspace/app/config_values.h"

namespace mtlswatch {
namespace {

/// "http://HOST..." or "https://HOST...", without credentials: those belong in files.
YamlReader into_url(std::string& target) {
  return [&target](const YamlNode& node) -> Status {
    const auto text = read_text(node);
    const bool is_url = text && (text->starts_with("https://") || text->starts_with("http://")) &&
                        text->find_first_of(" \t\"<>") == std::string::npos && text->find("://") + 3 < text->size();
    if (!is_url) return yaml_expected(node, "a URL such as \"https://siem.example.org/hook\"");
    const auto host = text->substr(text->find("://") + 3);
    if (host.substr(0, host.find('/')).find('@') != std::string::npos)
      return yaml_error(node.place, "credentials in a URL, expected them in files (token_file, key_file)");
    target = *text;
    return Done{};
  };
}

Status read_address(const YamlNode& node, Endpoint& target) {
  if (const auto status = into_parsed<Endpoint>(target, parse_endpoint)(node); !status) return status;
  return target.is_unix() ? Status(yaml_expected(node, "an address such as \"192.0.2.5:514\"")) : Done{};
}

YamlReader into_events(std::vector<std::string>& target) {
  return [&target](const YamlNode& list) -> Status {
    const auto status = read_list(list, [&target](const YamlNode& item) -> Status {
      auto word = read_word(item, {"request", "handshake", "alert", "agent"});
      if (!word) return word.error();
      target.push_back(std::move(*word));
      return Done{};
    });
    if (status && list.items.empty())
      return yaml_error(list.place, "expected at least one event, or no \"events\" for the default");
    return status;
  };
}

/// What every output that sends to a peer has.
void add_peer_fields(std::vector<YamlField>& fields, OutputConfig& output) {
  fields.push_back({"queue", into_number(output.queue, 1, 1'000'000)});
  if (output.type == "syslog") return;
  fields.push_back({"url", into_url(output.url)});
  fields.push_back({"ca_file", into_absolute_path(output.ca_file)});
  fields.push_back({"certificate_file", into_absolute_path(output.certificate_file)});
  fields.push_back({"key_file", into_absolute_path(output.key_file)});
  fields.push_back({"token_file", into_absolute_path(output.token_file)});
}

std::vector<YamlField> fields_of(OutputConfig& output) {
  std::vector<YamlField> fields = {{"type", [](const YamlNode&) { return Status(Done{}); }}};
  if (output.type != "alertmanager") fields.push_back({"events", into_events(output.events)});
  if (output.type == "json") fields.push_back({"path", into_text(output.path)});
  if (output.type != "json") add_peer_fields(fields, output);
  if (output.type == "webhook") fields.push_back({"secret_file", into_absolute_path(output.secret_file)});
  if (output.type == "alertmanager") fields.push_back({"resend", into_number(output.resend_s, 1, 3600)});
  if (output.type == "syslog")
    fields.push_back({"address", [&](const YamlNode& value) { return read_address(value, output.address); }});
  return fields;
}

}  // namespace

Status read_output(const YamlNode& node, OutputConfig& output) {
  const YamlNode* type = find_value(node, "type");
  if (type != nullptr) {
    auto word = read_word(*type, {"json", "webhook", "alertmanager", "syslog"});
    if (!word) return word.error();
    output.type = std::move(*word);
  }
  if (const auto status = read_mapping(node, fields_of(output)); !status) return status;
  if (type == nullptr) return lacks(node, "output", "type");
  const bool wants_url = output.type == "webhook" || output.type == "alertmanager";
  if (wants_url && output.url.empty()) return lacks(node, "output", "url");
  if (output.type == "syslog" && find_value(node, "address") == nullptr) return lacks(node, "output", "address");
  if (output.certificate_file.empty() != output.key_file.empty())
    return yaml_error(node.place, "expected both or neither of \"certificate_file\" and \"key_file\"");
  return Done{};
}

}  // namespace mtlswatch
