// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/introspection.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "userspace/app/health.h"
#include "userspace/app/host.h"
#include "userspace/app/http_json.h"
#include "userspace/app/inspect_json.h"
#include "userspace/base/event_id.h"
#include "userspace/policy/rules_catalogue.h"

namespace mtlswatch {
namespace {

constexpr std::uint64_t kSecondNs = 1'000'000'000;
constexpr std::uint64_t kMemoryStepNs = 10 * kSecondNs;
constexpr std::uint64_t kMemoryNs = 60 * kSecondNs;
constexpr std::uint64_t kSummaryNs = 300 * kSecondNs;
constexpr std::uint64_t kExpiryWindowNs = 24 * 3600 * kSecondNs;
constexpr std::uint64_t kForwardingNs = 3600 * kSecondNs;
constexpr std::size_t kForwarding = 1024;
constexpr std::size_t kTopIdentities = 20;
constexpr std::size_t kSummaryIdentities = 50;

std::uint64_t lost_by_outputs(const std::vector<OutputStatus>& outputs) {
  std::uint64_t lost = 0;
  for (const OutputStatus& output : outputs) lost += output.lost;
  return lost;
}

std::uint64_t lost_in_sensor(const AgentStatus& status) {
  std::uint64_t lost = 0;
  for (const auto& [stage, count] : status.lost) lost += stage == "ringbuf" || stage == "decode" ? count : 0;
  return lost;
}

}  // namespace

Introspection::Introspection(const StatusSources& sources, const SinkContext& context, bool return_probes_are_safe)
    : sources_(sources),
      context_(context),
      return_probes_are_safe_(return_probes_are_safe),
      started_ns_(boottime_ns()),
      identities_(sources.config.limits.identities),
      history_(sources.config.limits.explain),
      next_summary_ns_(started_ns_ + kSummaryNs) {
  note_reload("", started_ns_);
  for (const BackendConfig& backend : sources.config.backends) tally_.know_service(backend.name);
  for (const RuleInfo& rule : rule_catalogue()) tally_.know_rule(rule.id, rule.severity);
}

Status Introspection::open() {
  if (!sources_.config.admin_socket.empty()) {
    auto admin = AdminServer::open(sources_.config.admin_socket, [this](const std::string& line) { return answer(line); });
    if (admin) {
      admin_.emplace(std::move(*admin));
    } else {
      spdlog::warn("there is no admin socket, so status, events and explain have nobody to ask: {}", admin.error().message);
    }
  }
  if (sources_.config.http_listen.empty()) return Done{};
  const auto listen = parse_endpoint(sources_.config.http_listen);
  if (!listen) return listen.error();
  published_.note_turn(boottime_ns());
  auto http = HttpServer::start(*listen, [this](const std::string& path) { return answer_http(path, published_, boottime_ns()); });
  if (!http) return http.error();
  http_ = std::move(*http);
  spdlog::info("/metrics, /healthz and /readyz on http://{}", http_->listens_on().text());
  return Done{};
}

void Introspection::take(Report& report, std::uint64_t now_ns) {
  tally_.count(report, now_ns);
  identities_.note(report);
  if (const auto* request = std::get_if<RequestReport>(&report)) note_forwarding(*request);
  if (!std::holds_alternative<AgentReport>(report)) ++noted_;
  if (admin_ && admin_->has_followers()) {
    admin_->publish(report, [&] { return ecs_json(report, context_); });
  }
  history_.keep(std::move(report));
}

void Introspection::note_forwarding(const RequestReport& report) {
  const auto note = [&](std::uint32_t pid) {
    if (forwarding_.size() < kForwarding || forwarding_.contains(pid)) forwarding_[pid] = report.time_ns;
  };
  for (const Hop& hop : report.hops) note(hop.process->pid);
  if (report.peer_process) note(report.peer_process->pid);
}

bool Introspection::turn(std::uint64_t now_ns) {
  published_.note_turn(now_ns);
  return now_ns >= next_publish_ns_ && (admin_ || http_);
}

void Introspection::publish(std::uint64_t now_ns, std::vector<OutputStatus> outputs, RingReader& ring) {
  most_ring_bytes_ = ring.take_most_waiting_bytes();
  handed_over_ = ring.handed_over();
  next_publish_ns_ = now_ns + kSecondNs;
  outputs_ = std::move(outputs);
  for (const auto& [pid, facts] : sources_.watcher.processes()) {
    if (!facts.backend.empty()) tally_.know_service(facts.backend);
  }
  AgentStatus status = status_now(now_ns);
  remember(now_ns, status);
  published_.publish(std::move(status));
  if (admin_) admin_->expire(now_ns);
  if (http_) http_->expire(now_ns);
}

void Introspection::note_reload(std::string refused, std::uint64_t now_ns) {
  if (refused.empty())
    configuration_.loaded_s = (static_cast<std::int64_t>(now_ns) + context_.utc_minus_boottime_ns) / static_cast<std::int64_t>(kSecondNs);
  configuration_.refused = std::move(refused);
}

AgentStatus Introspection::status_now(std::uint64_t now_ns) const {
  AgentStatus status = gather_status(sources_, handed_over_);
  status.started_ns = started_ns_;
  status.now_ns = now_ns;
  status.counts = tally_.counts();
  status.outputs = outputs_;
  status.configuration = configuration_;
  status.kubernetes = kubernetes_;
  status.maps.push_back({"records", most_ring_bytes_, sources_.config.limits.ring_bytes, 0});
  status.lost.emplace_back("output", lost_by_outputs(outputs_));
  status.lost.emplace_back("queue", admin_ ? admin_->lines_lost() : 0);
  status.tables.push_back({"identities", identities_.size(), identities_.capacity(), identities_.evicted()});
  status.tables.push_back({"verdicts", history_.reports().size(), history_.capacity(), 0});
  status.identities = identities_.size();
  status.soonest_expiry_s = identities_.soonest_expiry_s(now_ns > kExpiryWindowNs ? now_ns - kExpiryWindowNs : 0);
  status.checks = checks(status);
  return status;
}

std::vector<HealthCheck> Introspection::checks(const AgentStatus& status) const {
  HealthFacts facts;
  const bool pods_are_known = status.kubernetes && status.kubernetes->synced;
  facts.needed_backends = needed_backends(sources_.config.backends, pods_are_known, context_.pods != nullptr ? *context_.pods : PodDirectory{});
  for (const auto& [pid, time_ns] : forwarding_) facts.forwarding.insert(pid);
  facts.return_probes_are_safe = return_probes_are_safe_;
  for (const LibraryCoverage& library : sources_.watcher.libraries().coverage()) facts.libraries_attached += library.state != "blind";
  for (const TableStatus& map : status.maps) {
    if (map.name != "records" && map.entries >= map.capacity) facts.full_maps.push_back(map.name);
  }
  const Earlier earlier = earlier_.empty() ? Earlier{} : earlier_.front();
  facts.lost_lately = lost_in_sensor(status) - earlier.lost;
  facts.outputs_lost_lately = lost_by_outputs(status.outputs) - earlier.outputs_lost;
  for (const OutputStatus& output : status.outputs) {
    if (!output.last_error.empty()) facts.output_error = output.name + ": " + output.last_error;
  }
  facts.configuration_refused = status.configuration.refused;
  facts.kubernetes = status.kubernetes;
  return check_health(facts, sources_.watcher.processes());
}

void Introspection::remember(std::uint64_t now_ns, const AgentStatus& status) {
  if (now_ns < next_memory_ns_) return;
  next_memory_ns_ = now_ns + kMemoryStepNs;
  earlier_.push_back({now_ns, status.counts, lost_in_sensor(status), lost_by_outputs(status.outputs)});
  std::erase_if(forwarding_, [&](const auto& item) { return item.second + kForwardingNs < now_ns; });
  while (earlier_.size() > 1 && earlier_.front().time_ns + kMemoryNs < now_ns) earlier_.pop_front();
}

std::optional<AgentReport> Introspection::identity_summary(std::uint64_t now_ns, bool is_last) {
  if ((now_ns < next_summary_ns_ && !is_last) || identities_.size() == 0 || summarised_ == noted_) return std::nullopt;
  next_summary_ns_ = now_ns + kSummaryNs;
  summarised_ = noted_;
  AgentReport report;
  report.time_ns = now_ns;
  report.event_id = event_id(now_ns, noted_, started_ns_);
  report.action = "identity-summary";
  report.identities = identities_.top(kSummaryIdentities);
  report.identities_known = identities_.size();
  report.message = fmt::format("{} client certificate names seen, the {} most frequent are listed", identities_.size(),
                               report.identities.size());
  return report;
}

AdminAnswer Introspection::answer(const std::string& line) const {
  const auto request = parse_request_json(line);
  if (!request) return {error_json(request.error().message) + "\n", std::nullopt};
  if (request->command == "status") return {answer_status() + "\n", std::nullopt};
  if (request->command == "targets") return {answer_targets() + "\n", std::nullopt};
  if (request->command == "explain") return {answer_explain(request->id) + "\n", std::nullopt};
  if (request->command == "events") return answer_events(*request);
  return {error_json("\"" + request->command + "\" is no question, expected status, targets, events or explain") + "\n", std::nullopt};
}

std::string Introspection::answer_status() const {
  const std::uint64_t now_ns = boottime_ns();
  StatusDetails details;
  details.top_identities = identities_.top(kTopIdentities);
  if (!earlier_.empty()) {
    details.earlier = earlier_.front().counts;
    details.earlier_seconds_ago = static_cast<double>(now_ns - earlier_.front().time_ns) / 1e9;
  }
  details.utc_minus_boottime_ns = context_.utc_minus_boottime_ns;
  return status_json(status_now(now_ns), details, sources_.watcher.processes());
}

std::string Introspection::answer_targets() const {
  std::string json = targets_json(sources_.watcher.processes(), sources_.watcher.libraries().coverage(),
                                  &sources_.pipeline.correlator());
  std::erase(json, '\n');  // between values only: within texts they are escaped
  return json;
}

std::string Introspection::answer_explain(const std::string& id) const {
  const Report* report = history_.find(id);
  if (report != nullptr) return ecs_json(*report, context_);
  return error_json(fmt::format("no event \"{}\" among the last {} that are kept in memory; older ones are in the log: --log FILE", id,
                                history_.reports().size()));
}

AdminAnswer Introspection::answer_events(const AdminRequest& request) const {
  auto filter = EventFilter::parse(request.filter);
  if (!filter) return {error_json(filter.error().message) + "\n", std::nullopt};
  AdminAnswer answer;
  if (request.follow) {
    answer.follow = std::move(*filter);
    return answer;
  }
  for (const Report& report : history_.reports()) {
    if (filter->passes(report)) answer.text += ecs_json(report, context_) + "\n";
  }
  return answer;
}

}  // namespace mtlswatch
