// SPDX-License-Identifier: Apache-2.0
// One reader a section of the configuration: what its keys are, and what their values may be. Used by config_loader.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "userspace/app/yaml_reader.h"
#include "userspace/model/config.h"

namespace mtlswatch {

/// A power of two from 64 KiB to 1 GiB.
Status read_ring_bytes(const YamlNode& node, std::uint32_t& target);
/// Appends one name to target.
Status read_header_name(const YamlNode& node, std::vector<std::string>& target);

/// On success the name is not empty, and there is a listen address or a match.
Status read_backend(const YamlNode& node, BackendConfig& backend);
/// A node as Kubernetes names it: RFC 1123 names, joined by dots.
YamlReader into_node_name(std::string& target);
/// "https://HOST[:PORT]", without anything behind it.
YamlReader into_https_url(std::string& target);
Status read_front(const YamlNode& node, FrontConfig& front);
/// target: an IP address and port.
Status read_http(const YamlNode& node, std::string& target);
/// target: a path, or empty for "none".
Status read_admin(const YamlNode& node, std::string& target);

}  // namespace mtlswatch
