// SPDX-License-Identifier: Apache-2.0
// What /proc says about one process, and what discovery concluded from it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "userspace/model/address.h"

namespace mtlswatch {

/// A listening socket and the process that holds it.
struct Listener {
  std::uint32_t pid = 0;
  std::uint32_t netns = 0;
  std::uint32_t uid = 0;  ///< owner of the socket
  Endpoint endpoint;
};

/// Why discovery takes a process for Django: one line a clue, with its weight.
struct DetectionClue {
  int score = 0;
  std::string reason;
  bool operator==(const DetectionClue&) const = default;
};

/// Facts about a process at one moment. Identity is (pid, start_time_ticks).
/// How far what a process does is taken for proof of whose requests it sends upstream.
struct WitnessTrust {
  /// "proof": its program's structure makes one of its socket calls. "one at a time": they are one while a single client can
  /// have asked. "none": they never are. Of a proxy that tells by its own functions: "not yet", "believed" or "contradicted".
  std::string state;
  std::uint64_t agreements = 0;      ///< of those functions with the sockets, lately
  std::uint64_t contradictions = 0;  ///< likewise
};

struct ProcessFacts {
  std::uint32_t pid = 0;
  std::uint32_t parent_pid = 0;
  std::uint64_t start_time_ticks = 0;  ///< /proc/PID/stat field 22
  std::string name;                    ///< comm
  std::string executable;              ///< readlink of exe, as the process's own mount namespace names it
  std::string command_line;            ///< arguments joined by blanks, at most 512 bytes
  std::string cgroup;                  ///< path of the cgroup v2 line, else of the first v1 line
  std::uint32_t uid = 0;
  bool executable_root_owned = false;  ///< and writable by root alone

  /// Name of the configured or detected backend this process serves; empty if it is none.
  std::string backend;
  /// May hand an identity on: configured, or a root-owned executable with a listener of root or a system uid
  /// (DESIGN section 5, rule 3). Backends never are by discovery.
  bool front = false;
  std::string front_reason;
  /// What is known of the program: "nginx" answers a client in the very callback that read the upstream's response;
  /// "apache" and "stunnel" have a thread for each client's request; "haproxy" tells by its own functions; "varnish" hands
  /// requests from thread to thread; "relay" (docker-proxy) moves bytes by ways that are not followed.
  std::string known_proxy;
  /// A proxy that queues: "symbol", with what its probes cost, where its own functions tell whose request it sends
  /// upstream; else why they do not. Not recorded: what they tell is.
  std::string stream_witness;
  /// TLS library state: "attached", "partly", "blind" or "" when it maps none, and why.
  std::string tls_coverage;
  std::string tls_coverage_reason;
  std::vector<DetectionClue> clues;
  std::vector<Endpoint> listeners;

  bool operator==(const ProcessFacts&) const = default;
};

/// What is known of a process, shared by all that tell of it: every request names several. Null only where that is said.
using SharedProcess = std::shared_ptr<const ProcessFacts>;

/// One of which nothing is known.
inline const SharedProcess& unknown_process() {
  static const SharedProcess kUnknown = std::make_shared<const ProcessFacts>();
  return kUnknown;
}

}  // namespace mtlswatch
