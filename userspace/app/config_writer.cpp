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

void write_match(std::string& text, const BackendMatch& match) {
  text += "    match:\n";
  const auto condition = [&text](const char* key, const std::string& value) {
    if (!value.empty()) text += std::string("      ") + key + ": " + value + "\n";
  };
  condition("executable", quoted_or_none(match.executable));
  condition("command_line", quoted_or_none(match.command_line));
  condition("cgroup", quoted_or_none(match.cgroup));
  condition("uid", match.uid ? std::to_string(*match.uid) : "");
}

void write_backend(std::string& text, const BackendConfig& backend) {
  text += "  - name: " + quoted(backend.name) + "\n";
  line(text, "listen", backend.listen.empty() ? "" : flow_list(backend.listen));
  if (backend.match) write_match(text, *backend.match);
  line(text, "proxies", backend.proxies ? flow_list(*backend.proxies) : "");
  line(text, "intermediaries", backend.intermediaries.empty() ? "" : flow_list(backend.intermediaries));
  line(text, "requests", backend.requests == RequestsWritten::kAll ? "all" : "violations");
}

void write_output(std::string& text, const OutputConfig& output) {
  static const std::vector<std::string> kAllEvents = {"request", "handshake", "alert", "agent"};
  text += "  - type: " + output.type + "\n";
  line(text, "path", quoted(output.path));
  line(text, "events", flow_list(output.events.empty() ? kAllEvents : output.events));
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
  write_list(text, "outputs", outputs, write_output);
  if (!config.http_listen.empty()) text += "http:\n  listen: " + quoted(config.http_listen) + "\n";
  text += "admin:\n  socket: " + (config.admin_socket.empty() ? "none" : quoted(config.admin_socket)) + "\n";
  text += "limits:\n  ring_bytes: " + std::to_string(config.limits.ring_bytes) +
          "\n  connections: " + std::to_string(config.limits.connections) +
          "\n  exchanges: " + std::to_string(config.limits.exchanges) +
          "\n  explain: " + std::to_string(config.limits.explain) +
          "\n  identities: " + std::to_string(config.limits.identities) + "\n";
  text += std::string("write_query: ") + (config.write_query ? "true" : "false") + "\n";
  return text;
}

}  // namespace mtlswatch
