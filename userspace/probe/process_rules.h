// SPDX-License-Identifier: Apache-2.0
// The rules that need nothing but values: which configured backend a process is, and whether it is a front.
// Used by discovery.
#pragma once

#include <string>
#include <vector>

#include "userspace/model/config.h"
#include "userspace/model/pod.h"
#include "userspace/model/process.h"

namespace mtlswatch {

/// Whether a listener serves a configured address. 0.0.0.0 and :: in the configuration mean every local address; a
/// listener bound to 0.0.0.0 serves every IPv4 address, one bound to :: all of both families.
bool serves(const Endpoint& configured, const Endpoint& listener);

struct BackendMatched {
  std::string name;  ///< empty: no configured backend
  std::string reason;
};

/// The first configured backend that the process serves, by listen address or by its match conditions.
/// facts.listeners must be filled; command_line is the longer one.
BackendMatched configured_backend(const std::vector<BackendConfig>& backends, const ProcessFacts& facts,
                                  const std::string& command_line, const PodDirectory& pods);

/// Programs that hold the listening sockets of others (socket activation, published container ports): neither backends
/// by address nor fronts by discovery.
bool holds_sockets_for_others(const std::string& executable);

/// ProcessFacts::known_proxy of a process whose other facts are known.
std::string known_proxy(const ProcessFacts& facts);

/// What the rule of fronts needs beside the facts.
struct FrontEvidence {
  bool system_listener = false;  ///< it, or a master of it, holds a listener owned by root or a system uid
  bool listens = false;          ///< it, or a master of it, holds any listener
  bool host_file = false;        ///< its executable is the file that the host itself has under that path
};

struct FrontJudged {
  bool front = false;
  std::string reason;  ///< also why not, for a process that listens
};

/// A configured path alone does not make a front of a process with its own mount namespace, in which any user can put
/// any file at that path: a uid, the host's own file or the evidence of discovery must stand beside it.
/// Interpreters are no fronts by discovery: who owns python does not own the program.
FrontJudged judge_front(const std::vector<FrontConfig>& fronts, const ProcessFacts& facts,
                        const FrontEvidence& evidence);

/// uid of root or of a system service: Debian's policy section 9.2.2, SYS_UID_MAX of login.defs.
bool is_system_uid(std::uint32_t uid);

}  // namespace mtlswatch
