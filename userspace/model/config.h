// SPDX-License-Identifier: Apache-2.0
// The configuration after reading: plain values with their defaults. Who reads it: app/config_loader.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "userspace/model/address.h"

namespace mtlswatch {

/// Which requests of a backend the outputs get; metrics and rules see all. kSampled: violations, and one in `sample` of
/// the others.
enum class RequestsWritten { kAll, kViolations, kSampled };

/// How a backend's processes are found when it is not by listen address. All given conditions must hold.
struct BackendMatch {
  std::string executable;    ///< exact path
  std::string command_line;  ///< substring
  std::string cgroup;        ///< glob
  std::optional<std::uint32_t> uid;
  // Of the pod that it runs in, as the Kubernetes API tells.
  std::string pod_namespace{};
  std::string container{};  ///< its name in the pod
  std::map<std::string, std::string> pod_labels{};
  std::map<std::string, std::string> pod_annotations{};

  bool asks_for_a_pod() const {
    return !pod_namespace.empty() || !container.empty() || !pod_labels.empty() || !pod_annotations.empty();
  }
};

/// Which clients a backend, or a path of it, takes. Patterns are globs ('*' is any run of characters); none: every one.
struct AccessPolicy {
  bool is_public = false;              ///< on purpose without client certificates
  std::vector<std::string> issuers;    ///< of RFC 2253 issuer names
  std::vector<std::string> subjects;   ///< of RFC 2253 subject names, or of alternative names ("spiffe://example.org/*")
};

struct PathPolicy {
  std::string path;  ///< a glob; exact where it is public
  AccessPolicy access;
};

struct BackendConfig {
  std::string name;
  std::vector<Endpoint> listen;  ///< 0.0.0.0 and :: mean every local address
  std::optional<BackendMatch> match;
  std::optional<std::vector<Cidr>> proxies;  ///< absent: not told; empty: there are none
  std::string client_ca;                     ///< PEM of the authorities by which the agent verifies clients itself; empty: not
  std::vector<std::string> intermediaries;   ///< subject DNs or SANs of certificates that stand for a proxy
  RequestsWritten requests = RequestsWritten::kAll;
  std::uint32_t sample = 100;  ///< kSampled: one in so many
  AccessPolicy access;
  std::vector<PathPolicy> paths;
};

struct FrontConfig {
  std::string executable;  ///< exact path
  std::optional<std::uint32_t> uid;
};

/// Who may go without a certificate, where, and until when. Either a process or a source, never neither.
struct ExemptionConfig {
  struct Process {
    std::string executable;  ///< exact path
    std::uint32_t uid = 0;
    std::string cgroup;  ///< glob
  };
  std::string name;
  std::string owner;
  std::string reason;
  std::string expires;         ///< as written: a day (its end, UTC) or an RFC 3339 time
  std::int64_t expires_s = 0;  ///< seconds since 1970
  std::string backend;         ///< empty: every one
  std::optional<Process> process;
  std::optional<Cidr> source;
  std::string method;
  std::string path;  ///< exact, normalised
  bool enabled = true;
};

/// What differs from the built-in rule, or from every rule ("*").
struct RuleConfig {
  std::string rule;  ///< its id or its name
  std::optional<bool> enabled;
  std::optional<std::uint32_t> threshold;       ///< events
  std::optional<std::uint32_t> window_s;        ///< in which they are counted
  std::optional<std::uint32_t> days;            ///< before a certificate expires
  std::optional<std::uint32_t> summary_after_s;
  std::optional<std::uint32_t> resolve_after_s;
};

struct OutputConfig {
  std::string type = "json";
  std::string path = "-";  ///< json: "-" is standard output
  std::vector<std::string> events;  ///< request, handshake, alert, agent; empty: the type's default
  std::string url;                  ///< webhook, alertmanager
  Endpoint address;                 ///< syslog
  std::string ca_file;              ///< whom to trust; empty: the system's authorities
  std::string certificate_file;     ///< our own, with its key
  std::string key_file;
  std::string secret_file;          ///< webhook: key of the HMAC signature
  std::string token_file;           ///< bearer token
  std::uint32_t queue = 1000;       ///< events that wait for a slow peer, at most
  std::uint32_t resend_s = 60;      ///< alertmanager: between reminders of what is active
};

/// The kinds of events that go to the output, its type's default filled in.
inline std::vector<std::string> events_of(const OutputConfig& output) {
  if (output.type == "alertmanager") return {"alert"};
  if (!output.events.empty()) return output.events;
  if (output.type == "webhook") return {"alert"};
  return {"request", "handshake", "alert", "agent"};
}

/// Whom to ask for the names of this node's pods. Nobody is asked without a node.
struct KubernetesConfig {
  std::string node;        ///< as the API names it
  std::string api_server;  ///< URL; empty: what a pod's environment says (KUBERNETES_SERVICE_HOST and _PORT)
  std::string ca_file = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";
  std::string token_file = "/var/run/secrets/kubernetes.io/serviceaccount/token";
  std::string cluster;  ///< name, for orchestrator.cluster.name; the API has none
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
  std::vector<ExemptionConfig> exemptions;
  std::vector<RuleConfig> rules;
  std::vector<OutputConfig> outputs;          ///< empty: JSON lines of everything to standard output
  std::string http_listen;                    ///< IP address and port; empty: no listener
  std::string admin_socket = "/run/mtlswatch/admin.sock";  ///< empty: none
  KubernetesConfig kubernetes;
  LimitsConfig limits;
  bool write_query = false;                   ///< url.query is written only when asked for
};

}  // namespace mtlswatch
