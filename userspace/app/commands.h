// SPDX-License-Identifier: Apache-2.0
// The program's commands. Each returns its exit code.
#pragma once

#include <string>
#include <vector>

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
  std::vector<std::string> without;  ///< KernelOptions
};

/// How to reach the running agent, and in which form its answer is printed.
struct AskOptions {
  LoadOptions config;
  std::string socket;  ///< empty: what the configuration says
  bool json = false;
};

int run_agent(const RunOptions& options);
int replay(const std::string& file);
int check_config(const LoadOptions& options, bool print_effective, bool as_json);
int doctor(const std::vector<std::string>& without, bool as_json);
int status(const AskOptions& options);
/// What the running agent watches; with no agent, and no socket named, what it would find.
int targets(const AskOptions& options);
/// The last verdicts, or with follow every event from now on.
int events(const AskOptions& options, const std::string& filter, bool follow);
/// log: a file of JSON lines to look in instead of asking the agent; empty: none.
int explain(const AskOptions& options, const std::string& id, const std::string& log);
int version(bool as_json);

}  // namespace mtlswatch
