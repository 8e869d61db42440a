// SPDX-License-Identifier: Apache-2.0
// How the agent can be looked into: counts and keeps what it reported, and answers on HTTP and on the admin socket.
// Owned by the agent, used on its event loop's thread; the HTTP thread sees only what was published.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "userspace/app/admin_server.h"
#include "userspace/app/history.h"
#include "userspace/app/http_server.h"
#include "userspace/app/published_status.h"
#include "userspace/app/status.h"
#include "userspace/app/status_json.h"
#include "userspace/sink/ecs_json.h"
#include "userspace/ring/ring_reader.h"
#include "userspace/sink/identity_table.h"
#include "userspace/sink/tally.h"

namespace mtlswatch {

class Introspection {
 public:
  Introspection(const StatusSources& sources, const SinkContext& context, bool return_probes_are_safe);

  /// Binds what the configuration names. An HTTP address that cannot be had is an error; the admin socket only a warning.
  Status open();
  /// Readable when serve has something to do; -1: there is no admin socket.
  int fd() const { return admin_ ? admin_->fd() : -1; }
  void serve(std::uint64_t now_ns) { admin_->serve(now_ns); }

  /// Takes the report: call it after everyone else has had it.
  void take(Report& report, std::uint64_t now_ns);
  /// Every turn of the event loop. True, about once a second: it is time to publish.
  bool turn(std::uint64_t now_ns);
  /// ring: what waited in it at once since the last time, and what came out of it.
  void publish(std::uint64_t now_ns, std::vector<OutputStatus> outputs, RingReader& ring);
  void note_kubernetes(KubernetesStatus status) { kubernetes_ = std::move(status); }
  /// The outcome of SIGHUP; empty: the configuration on disk is in effect now.
  void note_reload(std::string refused, std::uint64_t now_ns);
  /// Whom the agent has seen, if there is news and it is time, or is_last.
  std::optional<AgentReport> identity_summary(std::uint64_t now_ns, bool is_last);

 private:
  struct Earlier {
    std::uint64_t time_ns = 0;
    Counts counts;
    std::uint64_t lost = 0;
    std::uint64_t outputs_lost = 0;
  };

  void note_forwarding(const RequestReport& report);
  AgentStatus status_now(std::uint64_t now_ns) const;
  std::vector<HealthCheck> checks(const AgentStatus& status) const;
  void remember(std::uint64_t now_ns, const AgentStatus& status);
  AdminAnswer answer(const std::string& line) const;
  std::string answer_status() const;
  std::string answer_targets() const;
  std::string answer_explain(const std::string& id) const;
  AdminAnswer answer_events(const AdminRequest& request) const;

  StatusSources sources_;
  const SinkContext& context_;
  bool return_probes_are_safe_;
  std::uint64_t started_ns_;
  Tally tally_;
  IdentityTable identities_;
  History history_;
  std::vector<OutputStatus> outputs_;
  ConfigurationStatus configuration_;
  std::optional<KubernetesStatus> kubernetes_;
  std::uint64_t most_ring_bytes_ = 0;
  std::vector<std::uint64_t> handed_over_;  ///< by the ring, by kind of record
  std::deque<Earlier> earlier_;  ///< oldest first, of the last minute
  std::map<std::uint32_t, std::uint64_t> forwarding_;  ///< pid -> its last request; at most kForwarding
  std::uint64_t next_publish_ns_ = 0;
  std::uint64_t next_memory_ns_ = 0;
  std::uint64_t next_summary_ns_;
  std::uint64_t summarised_ = 0;  ///< reports about identities when the last summary was made
  std::uint64_t noted_ = 0;
  PublishedStatus published_;
  std::optional<AdminServer> admin_;
  std::unique_ptr<HttpServer> http_;  ///< last: its thread ends first
};

}  // namespace mtlswatch
