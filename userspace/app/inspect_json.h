// SPDX-License-Identifier: Apache-2.0
// What check-config, doctor and targets print with --json.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "userspace/app/config_loader.h"
#include "userspace/app/watcher.h"
#include "userspace/correlate/correlator.h"
#include "userspace/probe/environment.h"

namespace mtlswatch {

/// {"valid", "errors": [{"file", "line", "column", "message"}]}, and "effective" if asked for.
std::string config_check_json(const Result<Config>& config, bool with_effective);

/// {"checks": [{"name", "ok", "fatal", "detail", "advice"}]}
std::string checks_json(const std::vector<EnvironmentCheck>& checks);

/// {"processes": [{"pid", "name", "executable", "backend", "front", "score", "reasons", ...}], "libraries": [...]}
/// correlator: of the running agent, that has learnt how far each process is believed; null: none runs.
std::string targets_json(const std::map<std::uint32_t, ProcessFacts>& processes, const std::vector<LibraryCoverage>& libraries,
                         const Correlator* correlator);

}  // namespace mtlswatch
