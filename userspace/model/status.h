// SPDX-License-Identifier: Apache-2.0
// What the agent knows of itself at one moment: what it counted, what it watches, what it lost. Made by app on the event
// loop about once a second; read by the metrics, the health checks and `status`, which therefore never disagree.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "userspace/model/verdict.h"

namespace mtlswatch {

inline constexpr std::size_t kVerdicts = 4;
/// 0: no final status was seen; 1 to 5: the first digit of it.
inline constexpr std::size_t kStatusClasses = 6;

/// Requests of one backend.
struct ServiceCounts {
  std::map<std::pair<Verdict, std::string>, std::uint64_t> requests;  ///< by verdict and event.reason
  std::array<std::array<std::uint64_t, kStatusClasses>, kVerdicts> responses{};
  std::uint64_t without_id = 0;  ///< requests that no log line can be joined to by an id
};

/// The labels of a handshake. Fixed vocabularies only: nobody's name, address or path becomes a metric's label.
struct HandshakeKind {
  std::string proxy;        ///< a proxy known by name ("nginx"), else "other"
  std::string outcome;      ///< success, failure, unknown
  std::string client_cert;  ///< verified, unverified, none, failed, unknown
  std::string tls_version;  ///< "1.0" to "1.3", unknown
  std::string resumed;      ///< true, false, unknown
  auto operator<=>(const HandshakeKind&) const = default;
};

struct DelayHistogram {
  static constexpr std::array<double, 9> kBoundsS = {0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10};
  std::array<std::uint64_t, kBoundsS.size() + 1> counts{};  ///< the last: above every bound
  double sum_s = 0;
};

/// Everything that is counted from reports, since the agent's start.
struct Counts {
  std::map<std::string, ServiceCounts> services;
  std::map<HandshakeKind, std::uint64_t> handshakes;
  std::map<std::string, std::uint64_t> verify_failures;  ///< by fixed name of the X509_V_* code
  DelayHistogram correlation_delay;  ///< from the response, or where none was seen the request, to the verdict
  std::map<std::pair<std::string, std::string>, std::uint64_t> alerts;  ///< incidents by rule.id and severity
  std::uint64_t alerts_suppressed = 0;  ///< incidents that the rate limit kept back
  std::uint64_t requests = 0;
};

/// One aspect of the agent's health.
struct HealthCheck {
  std::string name;
  bool ok = true;
  bool needed = false;  ///< without it the agent is not ready; else it is degraded
  std::string detail;   ///< why not, or the figure that shows it
};

struct OutputStatus {
  std::string name;  ///< type and ordinal in the configuration: "json_1"
  std::uint64_t queued_bytes = 0;
  std::uint64_t written = 0;
  std::uint64_t lost = 0;
  std::string last_error;
};

/// The configuration in effect.
struct ConfigurationStatus {
  std::int64_t loaded_s = 0;  ///< when it was read, since 1970
  std::string refused;        ///< why a newer one was not taken over since then; empty: none was offered
};

/// A table of bounded size.
struct TableStatus {
  std::string name;
  std::uint64_t entries = 0;
  std::uint64_t capacity = 0;
  std::uint64_t evicted = 0;
};

/// Of one kind of record that the kernel side makes: seen is emitted and dropped, whatever for, but for those under way.
struct RecordCounts {
  std::string kind;
  std::uint64_t seen = 0;
  std::uint64_t emitted = 0;    ///< taken up by decode
  std::uint64_t ring_full = 0;  ///< dropped by the kernel side
  std::uint64_t malformed = 0;  ///< dropped by decode
};

/// What is known of this node's pods.
struct KubernetesStatus {
  bool synced = false;      ///< they were listed once
  std::uint64_t pods = 0;
  std::uint64_t lists = 0;  ///< at the start, and whenever a watch could not go on where it was
  std::uint64_t errors = 0;
  std::uint64_t refused = 0;  ///< times that there was no room for a pod
  std::string last_error;     ///< empty: none since the API server last told something
};

using NamedCounts = std::vector<std::pair<std::string, std::uint64_t>>;

struct AgentStatus {
  std::string version;
  std::uint64_t started_ns = 0;
  std::uint64_t now_ns = 0;
  std::vector<HealthCheck> checks;
  ConfigurationStatus configuration;
  Counts counts;
  NamedCounts lost;              ///< by stage
  std::vector<RecordCounts> records;
  NamedCounts kernel_failures;   ///< helpers that failed, by place
  std::vector<TableStatus> tables;
  std::vector<TableStatus> maps;  ///< of the kernel side
  std::vector<OutputStatus> outputs;
  std::map<std::pair<std::string, std::string>, std::uint64_t> processes;  ///< by role and TLS coverage
  std::map<std::pair<std::string, std::string>, std::uint64_t> libraries;  ///< by library and probe state
  std::map<std::string, std::int64_t> soonest_expiry_s;                    ///< by service
  std::uint64_t identities = 0;  ///< distinct client names remembered
  std::optional<KubernetesStatus> kubernetes;  ///< absent: it is not asked

  bool is_ready() const {
    for (const HealthCheck& check : checks) {
      if (check.needed && !check.ok) return false;
    }
    return true;
  }
  bool is_degraded() const {
    for (const HealthCheck& check : checks) {
      if (!check.ok) return true;
    }
    return false;
  }
};

}  // namespace mtlswatch
