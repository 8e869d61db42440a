// SPDX-License-Identifier: Apache-2.0
// Readers of what the configuration says about policy: who may come, who is exempt, which rules alert.
#pragma once

#include "userspace/app/yaml_reader.h"
#include "userspace/model/config.h"

namespace mtlswatch {

/// The keys "require", "issuers" and "subjects" of a backend or of one of its paths.
std::vector<YamlField> access_fields(AccessPolicy& access);
Status read_path_policy(const YamlNode& node, PathPolicy& policy);
/// On success it has a name, owner, reason, expiry, method, path, and a process or a source.
Status read_exemption(const YamlNode& node, ExemptionConfig& exemption);
Status read_rule(const YamlNode& node, RuleConfig& rule);

}  // namespace mtlswatch
