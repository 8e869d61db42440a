// SPDX-License-Identifier: Apache-2.0
#include "userspace/sink/ecs_fields.h"

#include <algorithm>

namespace mtlswatch {
namespace {

bool is_known(const Endpoint& endpoint) {
  return endpoint.is_unix() || endpoint.port != 0 || !endpoint.ip.is_unspecified();
}

void add_once(std::vector<std::string>& list, const std::string& value) {
  if (std::find(list.begin(), list.end(), value) == list.end()) list.push_back(value);
}

}  // namespace

void write_endpoint(JsonWriter& json, std::string_view key, const Endpoint* endpoint, std::string_view domain) {
  const auto object = json.object(key);
  if (endpoint != nullptr && endpoint->is_unix()) json.text("address", endpoint->path);
  if (endpoint != nullptr && !endpoint->is_unix() && is_known(*endpoint)) {
    const std::string address = endpoint->ip.text();
    json.text("ip", address);
    if (endpoint->port != 0) json.number("port", endpoint->port);
    json.text("address", address);
  }
  json.text("domain", domain);
}

void write_network(JsonWriter& json, const Endpoint* endpoint, std::string_view protocol) {
  const auto network = json.object("network");
  if (endpoint != nullptr && !endpoint->is_unix() && is_known(*endpoint)) {
    json.text("transport", "tcp");
    json.text("type", endpoint->ip.is_v4 ? "ipv4" : "ipv6");
  }
  json.text("protocol", protocol);
  json.text("direction", "ingress");
}

void write_related(JsonWriter& json, std::initializer_list<const Endpoint*> endpoints, const Certificate* certificate) {
  std::vector<std::string> addresses;
  for (const Endpoint* endpoint : endpoints) {
    if (endpoint != nullptr && !endpoint->is_unix() && is_known(*endpoint)) add_once(addresses, endpoint->ip.text());
  }
  const auto related = json.object("related");
  json.texts("ip", addresses);
  if (certificate == nullptr) return;
  json.repeat(Fragment::kRelated, certificate->sha256, [&] {
    json.texts("hash", {certificate->sha256});
    std::vector<std::string> names;
    for (const auto& name : certificate->subject.common_name) add_once(names, name);
    json.texts("user", names);
  });
}

void write_process_identity(JsonWriter& json, const ProcessFacts& process) {
  if (process.pid != 0) json.number("pid", process.pid);
  json.text("name", process.name);
  json.text("executable", process.executable);
}

void write_process_user(JsonWriter& json, const ProcessFacts& process) {
  if (process.name.empty() && process.start_time_ticks == 0) return;
  const auto user = json.object("user");
  json.text("id", std::to_string(process.uid));
}

void write_process(JsonWriter& json, const ProcessFacts& process) {
  const auto object = json.object("process");
  write_process_identity(json, process);
  json.text("command_line", process.command_line);
  write_process_user(json, process);
  if (process.parent_pid == 0) return;
  const auto parent = json.object("parent");
  json.number("pid", process.parent_pid);
}

std::string process_text(const ProcessFacts& process) {
  if (process.pid == 0) return process.name;
  const std::string pid = std::to_string(process.pid);
  return process.name.empty() ? "process " + pid : process.name + "[" + pid + "]";
}

}  // namespace mtlswatch
