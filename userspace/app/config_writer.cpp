// SPDX-License-Identifier: Apache-2.0
// effective_config: a Config as YAML.
#include "userspace/app/config_loader.h"

namespace mtlswatch {
namespace {

/// A double-quoted scalar: every text survives it, whatever it looks like (YAML 1.2 section 7.3.1).
std::string quoted(const std::string& text) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string result = "\"";
  for (const char character : text) {
    const auto byte = static_cast<unsigned char>(character);
    if (byte < 0x20 || byte == 0x7f) {
      result += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 0xf]};
      continue;
    }
    if (character == '"' || character == '\\') result += '\\';
    result += character;
  }
  return result + '"';
}

std::string text_of(const std::string& text) { return quoted(text); }
std::string text_of(const Endpoint& endpoint) { return quoted(endpoint.text()); }
std::string text_of(const Cidr& range) {
  return quoted(range.network.text() + "/" + std::to_string(range.prefix_bits));
}

template <typename List>
std::string flow_list(const List& list) {
  std::string text = "[";
  for (const auto& item : list) text += (text.size() > 1 ? ", " : "") + text_of(item);
  return text + "]";
}

/// One "key: value" line of a list's item, if there is a value.
void line(std::string& text, const char* key, const std::string& value) {
  if (!value.empty()) text += std::string("    ") + key + ": " + value + "\n";
}

std::string quoted_or_none(const std::string& text) { return text.empty() ? "" : quoted(text); }

std::string flow_map_or_none(const std::map<std::string, std::string>& map) {
  std::string text;
  for (const auto& [key, value] : map) text += (text.empty() ? "{" : ", ") + quoted(key) + ": " + quoted(value);
  return text.empty() ? "" : text + "}";
}

void write_kubernetes(std::string& text, const KubernetesConfig& kubernetes) {
  text += "kubernetes:\n";
  const auto setting = [&text](const char* key, const std::string& value) {
    if (!value.empty()) text += std::string("  ") + key + ": " + quoted(value) + "\n";
  };
  setting("node", kubernetes.node);
  setting("api_server", kubernetes.api_server);
  setting("ca_file", kubernetes.ca_file);
  setting("token_file", kubernetes.token_file);
  setting("cluster", kubernetes.cluster);
}

void write_match(std::string& text, const BackendMatch& match) {
  text += "    match:\n";
  const auto condition = [&text](const char* key, const std::string& value) {
    if (!value.empty()) text += std::string("      ") + key + ": " + value + "\n";
  };
  condition("executable", quoted_or_none(match.executable));
  condition("command_line", quoted_or_none(match.command_line));
  condition("cgroup", quoted_or_none(match.cgroup));
  condition("uid", match.uid ? std::to_string(*match.uid) : "");
  condition("pod_namespace", quoted_or_none(match.pod_namespace));
  condition("container", quoted_or_none(match.container));
  condition("pod_labels", flow_map_or_none(match.pod_labels));
  condition("pod_annotations", flow_map_or_none(match.pod_annotations));
}

const char* word_of(RequestsWritten requests) {
  if (requests == RequestsWritten::kAll) return "all";
  return requests == RequestsWritten::kViolations ? "violations" : "sampled";
}

std::string flow_list_or_none(const std::vector<std::string>& list) { return list.empty() ? "" : flow_list(list); }

std::string number_or_none(const std::optional<std::uint32_t>& number) { return number ? std::to_string(*number) : ""; }

std::string path_text(const PathPolicy& policy) {
  const AccessPolicy& access = policy.access;
  std::string text = "{path: " + quoted(policy.path);
  if (access.is_public) text += ", require: nothing";
  if (!access.issuers.empty()) text += ", issuers: " + flow_list(access.issuers);
  if (!access.subjects.empty()) text += ", subjects: " + flow_list(access.subjects);
  return text + "}";
}

void write_backend(std::string& text, const BackendConfig& backend) {
  text += "  - name: " + quoted(backend.name) + "\n";
  line(text, "listen", backend.listen.empty() ? "" : flow_list(backend.listen));
  if (backend.match) write_match(text, *backend.match);
  line(text, "proxies", backend.proxies ? flow_list(*backend.proxies) : "");
  line(text, "client_ca", quoted_or_none(backend.client_ca));
  line(text, "intermediaries", flow_list_or_none(backend.intermediaries));
  line(text, "requests", word_of(backend.requests));
  line(text, "sample", std::to_string(backend.sample));
  line(text, "require", backend.access.is_public ? "nothing" : "authenticated");
  line(text, "issuers", flow_list_or_none(backend.access.issuers));
  line(text, "subjects", flow_list_or_none(backend.access.subjects));
  if (!backend.paths.empty()) text += "    paths:\n";
  for (const PathPolicy& policy : backend.paths) text += "      - " + path_text(policy) + "\n";
}

void write_exemption(std::string& text, const ExemptionConfig& exemption) {
  text += "  - name: " + quoted(exemption.name) + "\n";
  line(text, "owner", quoted(exemption.owner));
  line(text, "reason", quoted(exemption.reason));
  line(text, "expires", quoted(exemption.expires));
  line(text, "backend", quoted_or_none(exemption.backend));
  if (exemption.process) {
    line(text, "process", "{executable: " + quoted(exemption.process->executable) + ", uid: " + std::to_string(exemption.process->uid) +
                              ", cgroup: " + quoted(exemption.process->cgroup) + "}");
  }
  line(text, "source", exemption.source ? text_of(*exemption.source) : "");
  line(text, "method", quoted(exemption.method));
  line(text, "path", quoted(exemption.path));
  line(text, "enabled", exemption.enabled ? "true" : "false");
}

void write_rule(std::string& text, const RuleConfig& rule) {
  text += "  - rule: " + quoted(rule.rule) + "\n";
  line(text, "enabled", !rule.enabled ? "" : *rule.enabled ? "true" : "false");
  line(text, "threshold", number_or_none(rule.threshold));
  line(text, "window", number_or_none(rule.window_s));
  line(text, "days", number_or_none(rule.days));
  line(text, "summary_after", number_or_none(rule.summary_after_s));
  line(text, "resolve_after", number_or_none(rule.resolve_after_s));
}

void write_output(std::string& text, const OutputConfig& output) {
  text += "  - type: " + output.type + "\n";
  if (output.type == "json") line(text, "path", quoted(output.path));
  line(text, "url", quoted_or_none(output.url));
  if (output.type == "syslog") line(text, "address", text_of(output.address));
  if (output.type != "alertmanager") line(text, "events", flow_list(events_of(output)));
  line(text, "ca_file", quoted_or_none(output.ca_file));
  line(text, "certificate_file", quoted_or_none(output.certificate_file));
  line(text, "key_file", quoted_or_none(output.key_file));
  line(text, "token_file", quoted_or_none(output.token_file));
  line(text, "secret_file", quoted_or_none(output.secret_file));
  if (output.type != "json") line(text, "queue", std::to_string(output.queue));
  if (output.type == "alertmanager") line(text, "resend", std::to_string(output.resend_s));
}

/// The name of a list and its items; "key: []" when there are none.
template <typename T>
void write_list(std::string& text, const char* key, const std::vector<T>& list, void (*write)(std::string&, const T&)) {
  text += std::string(key) + (list.empty() ? ": []\n" : ":\n");
  for (const auto& item : list) write(text, item);
}

}  // namespace

std::string effective_config(const Config& config) {
  const std::vector<OutputConfig> outputs = config.outputs.empty() ? std::vector<OutputConfig>(1) : config.outputs;
  std::string text;
  write_list(text, "backends", config.backends, write_backend);
  write_list<FrontConfig>(text, "fronts", config.fronts, [](std::string& to, const FrontConfig& front) {
    to += "  - executable: " + quoted(front.executable) + "\n";
    line(to, "uid", front.uid ? std::to_string(*front.uid) : "");
  });
  text += "identity_headers: " + flow_list(config.identity_headers) + "\n";
  write_list(text, "exemptions", config.exemptions, write_exemption);
  write_list(text, "rules", config.rules, write_rule);
  write_list(text, "outputs", outputs, write_output);
  if (!config.http_listen.empty()) text += "http:\n  listen: " + quoted(config.http_listen) + "\n";
  text += "admin:\n  socket: " + (config.admin_socket.empty() ? "none" : quoted(config.admin_socket)) + "\n";
  if (!config.kubernetes.node.empty()) write_kubernetes(text, config.kubernetes);
  text += "limits:\n  ring_bytes: " + std::to_string(config.limits.ring_bytes) +
          "\n  connections: " + std::to_string(config.limits.connections) +
          "\n  exchanges: " + std::to_string(config.limits.exchanges) +
          "\n  explain: " + std::to_string(config.limits.explain) +
          "\n  identities: " + std::to_string(config.limits.identities) + "\n";
  text += std::string("write_query: ") + (config.write_query ? "true" : "false") + "\n";
  return text;
}

}  // namespace mtlswatch
