// SPDX-License-Identifier: Apache-2.0
// What the agent can see of a TLS library, probe by probe, and what it cannot. Made by app/, written by the sinks.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace mtlswatch {

/// One place at which a library is probed, or should be.
struct ProbeCoverage {
  std::string symbol;
  std::string placement;          ///< "call site", "function entry", ...; empty: no place was found
  std::uint64_t file_offset = 0;
  std::string instruction;        ///< Intel syntax
  bool emulated = false;          ///< the kernel emulates it, which is cheap; otherwise it is single-stepped
  std::string missing;            ///< why it is not attached; empty: it is
  std::uint64_t hits = 0;         ///< of all probes for the same fact in this library, in whatever process
  std::uint64_t last_hit_ns = 0;  ///< 0: not seen yet
};

struct LibraryCoverage {
  std::string path;  ///< as its process names it
  std::string name;
  std::string version;   ///< empty: the files do not say
  std::string build_id;  ///< lower-case hex
  std::string state;     ///< "attached", "partly", "blind"
  std::string cannot_see;  ///< one plain sentence; empty: nothing is missing
  std::string cost;        ///< one plain sentence where it is not the usual one
  bool seen = false;       ///< every essential probe has fired since it was attached
  std::vector<ProbeCoverage> probes;
  std::vector<std::uint32_t> pids;  ///< interesting processes that use it, ascending
};

inline bool is_used_by(const LibraryCoverage& library, std::uint32_t pid) {
  return std::binary_search(library.pids.begin(), library.pids.end(), pid);
}

}  // namespace mtlswatch
