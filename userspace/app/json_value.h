// SPDX-License-Identifier: Apache-2.0
// Reads JSON that may hold anything: what is absent or of another type is empty. Used by the commands' *_json files.
#pragma once

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string>

#include "userspace/app/text_table.h"

namespace mtlswatch {

inline const nlohmann::json& json_at(const nlohmann::json& value, const char* pointer) {
  static const nlohmann::json kAbsent;
  const nlohmann::json::json_pointer path(pointer);
  return value.contains(path) ? value.at(path) : kAbsent;
}

/// Texts as they are, numbers in decimal; control characters escaped. Empty for anything else.
inline std::string json_text(const nlohmann::json& value, const char* pointer) {
  const nlohmann::json& found = json_at(value, pointer);
  if (found.is_string()) return printable(found.get_ref<const std::string&>());
  if (found.is_number_float()) return fmt::format("{:.1f}", found.get<double>());
  return found.is_number() || found.is_boolean() ? found.dump() : "";
}

/// "192.0.2.1:443" of an object with ip and port, or the address of a Unix socket.
inline std::string json_endpoint(const nlohmann::json& value, const char* pointer) {
  const nlohmann::json& endpoint = json_at(value, pointer);
  const std::string ip = json_text(endpoint, "/ip");
  if (ip.empty()) return json_text(endpoint, "/address");
  return (ip.find(':') == std::string::npos ? ip : "[" + ip + "]") + ":" + json_text(endpoint, "/port");
}

}  // namespace mtlswatch
