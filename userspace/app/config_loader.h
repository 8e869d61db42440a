// SPDX-License-Identifier: Apache-2.0
// The configuration files, read strictly into a Config, and a Config written back. Used by run, check-config and replay.
#pragma once

#include <string>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/model/config.h"

namespace mtlswatch {

struct LoadOptions {
  std::string file;  ///< --config: must exist. Empty: default_file, which need not
  std::string default_file = "/etc/mtlswatch/mtlswatch.yaml";
  const char* const* environment = nullptr;  ///< as environ; null: none
  std::vector<std::string> settings = {};    ///< "KEY=VALUE" of the command line
};

/// Reads the file, then conf.d/*.yaml beside it in name order. Lists append; a scalar set in two files and a backend
/// named twice are errors. Keys that this version does not act on are errors too, never ignored.
/// Above the files stands the environment (MTLSWATCH_LIMITS_CONNECTIONS for limits.connections), above that the command
/// line; each replaces the whole value of its key. Every error reads "FILE:LINE:COLUMN: message", or names the variable or
/// the option in place of the file.
Result<Config> load_config(const LoadOptions& options);

/// Reads one text; name stands for the file in errors.
Result<Config> parse_config(const std::string& text, const std::string& name);

/// The configuration in effect, as YAML that load_config accepts and reads as the same.
std::string effective_config(const Config& config);

}  // namespace mtlswatch
