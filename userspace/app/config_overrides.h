// SPDX-License-Identifier: Apache-2.0
// Settings that stand above the files: the environment, and above it the command line.
#pragma once

#include <string>
#include <vector>

#include "userspace/app/yaml_reader.h"
#include "userspace/base/result.h"

namespace mtlswatch {

/// One key in dotted form, and YAML for its value.
struct Override {
  std::string key;    ///< "limits.connections"
  std::string value;  ///< "65536", "[{type: json}]"
  std::string name;   ///< stands for the file in errors: "MTLSWATCH_LIMITS_CONNECTIONS", "--set limits.connections"
};

/// "limits.connections" is MTLSWATCH_LIMITS_CONNECTIONS. Other variables that begin so are not ours (Kubernetes makes
/// MTLSWATCH_PORT_... for a service of that name) and are left alone.
std::vector<Override> environment_overrides(const char* const* environment);
/// "KEY=VALUE". An unknown key is an error.
Result<Override> parse_override(const std::string& setting);

/// A mapping in which the value stands at its key; places are those within the value.
Result<YamlNode> override_tree(const Override& item);

}  // namespace mtlswatch
