// SPDX-License-Identifier: Apache-2.0
// The configuration after reading: plain values with their defaults. Who reads it: app/config_loader.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "userspace/model/address.h"

namespace mtlswatch {

enum class RequestsWritten { kAll, kViolations };

/// How a backend's processes are found when it is not by listen address. All given conditions must hold.
struct BackendMatch {
  std::string executable;    ///< exact path
  std::string command_line;  ///< substring
  std::string cgroup;        ///< glob
  std::optional<std::uint32_t> uid;
};

struct BackendConfig {
  std::string name;
  std::vector<Endpoint> listen;  ///< 0.0.0.0 and :: mean every local address
  std::optional<BackendMatch> match;
  std::optional<std::vector<Cidr>> proxies;  ///< absent: not told; empty: there are none
  std::vector<std::string> intermediaries;   ///< subject DNs or SANs of certificates that stand for a proxy
  RequestsWritten requests = RequestsWritten::kAll;
};

struct FrontConfig {
  std::string executable;  ///< exact path
  std::optional<std::uint32_t> uid;
};

struct OutputConfig {
  std::string type = "json";
  std::string path = "-";  ///< "-" is standard output
  std::vector<std::string> events;  ///< request, handshake, alert, agent; empty: all
};

struct LimitsConfig {
  std::uint32_t ring_bytes = 4u << 20;        ///< power of two, at least 65536
  std::uint32_t connections = 65536;          ///< entries in the agent's connection table
  std::uint32_t exchanges = 65536;            ///< undecided requests
  std::uint32_t explain = 1024;               ///< last verdicts kept in memory with their evidence; 0: none
  std::uint32_t identities = 1024;            ///< distinct client certificate names remembered; 0: none
};

struct Config {
  std::vector<BackendConfig> backends;
  std::vector<FrontConfig> fronts;
  std::vector<std::string> identity_headers;  ///< names in addition to the defaults
  std::vector<OutputConfig> outputs;          ///< empty: JSON lines of everything to standard output
  std::string http_listen;                    ///< IP address and port; empty: no listener
  std::string admin_socket = "/run/mtlswatch/admin.sock";  ///< empty: none
  LimitsConfig limits;
  bool write_query = false;                   ///< url.query is written only when asked for
};

}  // namespace mtlswatch
