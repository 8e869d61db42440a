// SPDX-License-Identifier: Apache-2.0
// The program's commands. Each returns its exit code.
#pragma once

#include <string>

#include "userspace/app/config_loader.h"

namespace mtlswatch {

/// Exit codes, a contract with service managers and scripts.
enum ExitCode {
  kExitOk = 0,             ///< SIGTERM and SIGINT included
  kExitRuntime = 1,
  kExitUsage = 2,
  kExitConfiguration = 3,
  kExitEnvironment = 4,    ///< no BTF, missing capabilities, a kernel that refuses
  kExitDegraded = 5,
};

struct RunOptions {
  LoadOptions config;
  std::string recording;  ///< record: the file; run: empty
};

int run_agent(const RunOptions& options);
int replay(const std::string& file);
int check_config(const LoadOptions& options, bool print_effective);
int doctor(bool as_json);
int targets(const LoadOptions& options, bool as_json);
int version();

}  // namespace mtlswatch
