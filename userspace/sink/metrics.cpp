// SPDX-License-Identifier: Apache-2.0
#include "userspace/sink/metrics.h"

#include <prometheus/text_serializer.h>

#include <limits>
#include <sstream>

#include "userspace/sink/tally.h"
#include "userspace/sink/utf8.h"

namespace mtlswatch {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

/// One family, filled row by row.
class Family {
 public:
  Family(MetricType type, const char* name, const char* help) { family_ = {name, help, type, {}}; }

  Family& row(Labels labels, double value) {
    ClientMetric& metric = family_.metric.emplace_back();
    metric.label = std::move(labels);
    (family_.type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
    return *this;
  }
  Family& row(Labels labels, std::uint64_t value) { return row(std::move(labels), static_cast<double>(value)); }
  Family& named(const char* label, const NamedCounts& counts) {
    for (const auto& [name, count] : counts) row({{label, name}}, count);
    return *this;
  }
  void to(std::vector<MetricFamily>& out) { out.push_back(std::move(family_)); }

 private:
  MetricFamily family_;
};

Family counter(const char* name, const char* help) { return {MetricType::Counter, name, help}; }
Family gauge(const char* name, const char* help) { return {MetricType::Gauge, name, help}; }

/// Label values are UTF-8: one that is not would make the whole page unreadable. A found backend's name is a file's.
std::string label_text(std::string_view text) {
  constexpr std::size_t kMostBytes = 128;
  std::string result;
  while (!text.empty() && result.size() < kMostBytes) {
    const std::size_t bytes = utf8_sequence_bytes(text);
    result += bytes == 0 ? "?" : text.substr(0, bytes);
    text.remove_prefix(bytes == 0 ? 1 : bytes);
  }
  return result;
}

const char* status_class_text(std::size_t status_class) {
  static constexpr const char* kTexts[kStatusClasses] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};
  return kTexts[status_class];
}

void add_requests(std::vector<MetricFamily>& out, const Counts& counts) {
  Family requests = counter("mtlswatch_requests_total", "Requests that a backend read, by verdict and reason.");
  Family responses = counter("mtlswatch_responses_total",
                             "Requests that a backend read, by verdict and class of its final HTTP status.");
  Family without_id = counter("mtlswatch_requests_without_id_total",
                              "Requests without X-Request-ID, X-Correlation-ID and traceparent: no log joins with them.");
  for (const auto& [raw_name, service] : counts.services) {
    const std::string name = label_text(raw_name);
    without_id.row({{"service", name}}, service.without_id);
    for (const auto& [key, count] : service.requests) {
      requests.row({{"service", name}, {"verdict", text(key.first)}, {"reason", key.second}}, count);
    }
    for (std::size_t verdict = 0; verdict < kVerdicts; ++verdict) {
      for (std::size_t each = 0; each < kStatusClasses; ++each) {
        responses.row({{"service", name},
                       {"verdict", text(static_cast<Verdict>(verdict))},
                       {"status_class", status_class_text(each)}},
                      service.responses[verdict][each]);
      }
    }
  }
  for (Family* family : {&requests, &responses, &without_id}) family->to(out);
}

/// The outcomes that rules compare exist from the start, for the version that most clients speak.
std::map<HandshakeKind, std::uint64_t> with_zeros(std::map<HandshakeKind, std::uint64_t> handshakes) {
  for (const char* proxy : {"nginx", "other"}) {
    for (const char* certificate : {"verified", "unverified", "none"}) {
      handshakes.try_emplace({proxy, "success", certificate, "1.3", "false"}, 0);
    }
    handshakes.try_emplace({proxy, "failure", "failed", "1.3", "false"}, 0);
    handshakes.try_emplace({proxy, "unknown", "unknown", "1.3", "false"}, 0);
  }
  return handshakes;
}

void add_handshakes(std::vector<MetricFamily>& out, const Counts& counts) {
  Family handshakes =
      counter("mtlswatch_tls_handshakes_total",
              "TLS handshakes of observed servers, by outcome and by what the client's certificate came to.");
  for (const auto& [kind, count] : with_zeros(counts.handshakes)) {
    handshakes.row({{"proxy", kind.proxy},
                    {"outcome", kind.outcome},
                    {"client_cert", kind.client_cert},
                    {"tls_version", kind.tls_version},
                    {"resumed", kind.resumed}},
                   count);
  }
  handshakes.to(out);
  std::map<std::string, std::uint64_t> failures = counts.verify_failures;
  for (const std::string& name : verify_failure_names()) failures.try_emplace(name, 0);
  Family verify = counter("mtlswatch_tls_verify_failures_total",
                          "Client certificates that did not verify, whether or not the handshake was refused.");
  for (const auto& [reason, count] : failures) verify.row({{"reason", reason}}, count);
  verify.to(out);
}

void add_delay(std::vector<MetricFamily>& out, const DelayHistogram& delay) {
  MetricFamily family{"mtlswatch_correlation_delay_seconds",
                      "Time from a response to the verdict about its request.",
                      MetricType::Histogram,
                      {}};
  auto& histogram = family.metric.emplace_back().histogram;
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < DelayHistogram::kBoundsS.size(); ++i) {
    sum += delay.counts[i];
    histogram.bucket.push_back({sum, DelayHistogram::kBoundsS[i]});
  }
  sum += delay.counts.back();
  histogram.bucket.push_back({sum, std::numeric_limits<double>::infinity()});
  histogram.sample_count = sum;
  histogram.sample_sum = delay.sum_s;
  out.push_back(std::move(family));
}

void add_alerts(std::vector<MetricFamily>& out, const Counts& counts) {
  Family alerts = counter("mtlswatch_alerts_total", "Incidents that a rule raised an alert about.");
  for (const auto& [key, count] : counts.alerts) alerts.row({{"rule", key.first}, {"severity", key.second}}, count);
  alerts.to(out);
  counter("mtlswatch_alerts_suppressed_total", "Incidents that the rate limit kept back.")
      .row({}, counts.alerts_suppressed)
      .to(out);
}

void add_certificates(std::vector<MetricFamily>& out, const AgentStatus& status) {
  Family expiry =
      gauge("mtlswatch_client_cert_not_after_timestamp_seconds",
            "Soonest end of validity among the client certificates that authenticated requests in the last 24 hours.");
  for (const auto& [service, expires_s] : status.soonest_expiry_s)
    expiry.row({{"service", label_text(service)}}, static_cast<double>(expires_s));
  expiry.to(out);
  gauge("mtlswatch_client_identities", "Distinct client certificate names remembered.")
      .row({}, status.identities)
      .to(out);
}

void add_health(std::vector<MetricFamily>& out, const AgentStatus& status) {
  gauge("mtlswatch_build_info", "What is running; always 1.")
      .row({{"version", status.version}, {"kernel_path", "tp_btf"}}, 1.0)
      .to(out);
  gauge("mtlswatch_ready", "1 when everything needed is watched, else 0.")
      .row({}, status.is_ready() ? 1.0 : 0.0)
      .to(out);
  Family checks = gauge("mtlswatch_health_check", "1 when this aspect of the agent's health is good, else 0.");
  for (const HealthCheck& check : status.checks) checks.row({{"check", check.name}}, check.ok ? 1.0 : 0.0);
  checks.to(out);
  gauge("mtlswatch_config_last_reload_successful", "1 when the configuration that was read last is in effect, else 0.")
      .row({}, status.configuration.refused.empty() ? 1.0 : 0.0)
      .to(out);
  gauge("mtlswatch_config_last_reload_success_timestamp_seconds", "When the configuration in effect was read, since 1970.")
      .row({}, static_cast<double>(status.configuration.loaded_s))
      .to(out);
}

void add_coverage(std::vector<MetricFamily>& out, const AgentStatus& status) {
  Family processes =
      gauge("mtlswatch_watched_processes", "Watched processes, by role and by how much of their TLS can be seen.");
  for (const auto& [key, count] : status.processes)
    processes.row({{"role", key.first}, {"coverage", key.second}}, count);
  processes.to(out);
  Family targets = gauge("mtlswatch_probe_targets", "TLS libraries in use, by state of their probes.");
  for (const auto& [key, count] : status.libraries) targets.row({{"library", key.first}, {"state", key.second}}, count);
  targets.to(out);
}

void add_tables(std::vector<MetricFamily>& out, const AgentStatus& status) {
  Family entries = gauge("mtlswatch_flow_table_entries", "Entries of the agent's tables.");
  Family capacity = gauge("mtlswatch_flow_table_capacity", "Most entries that the agent's tables may have.");
  Family evictions =
      counter("mtlswatch_flow_table_evictions_total", "Entries that left a full table before their time.");
  for (const TableStatus& table : status.tables) {
    entries.row({{"table", table.name}}, table.entries);
    capacity.row({{"table", table.name}}, table.capacity);
    evictions.row({{"table", table.name}}, table.evicted);
  }
  for (Family* family : {&entries, &capacity, &evictions}) family->to(out);
  Family map_entries =
      gauge("mtlswatch_map_entries",
            "Fill of the kernel side's maps; of the ring: most bytes that waited at once in the last second.");
  Family map_capacity = gauge("mtlswatch_map_capacity", "Size of the kernel side's maps; of the ring: in bytes.");
  for (const TableStatus& map : status.maps) {
    map_entries.row({{"map", map.name}}, map.entries);
    map_capacity.row({{"map", map.name}}, map.capacity);
  }
  map_entries.to(out);
  map_capacity.to(out);
}

void add_losses(std::vector<MetricFamily>& out, const AgentStatus& status) {
  counter("mtlswatch_events_lost_total", "What was lost, by stage.").named("stage", status.lost).to(out);
  Family seen = counter("mtlswatch_records_seen_total", "Records that the kernel side had to tell, by kind.");
  Family emitted = counter("mtlswatch_records_emitted_total", "Records that were taken up, by kind.");
  Family dropped = counter("mtlswatch_records_dropped_total", "Records that were dropped, by kind and reason.");
  for (const RecordCounts& one : status.records) {
    seen.row({{"kind", one.kind}}, one.seen);
    emitted.row({{"kind", one.kind}}, one.emitted);
    dropped.row({{"kind", one.kind}, {"reason", "ring_full"}}, one.ring_full);
    dropped.row({{"kind", one.kind}, {"reason", "malformed"}}, one.malformed);
  }
  for (Family* family : {&seen, &emitted, &dropped}) family->to(out);
  counter("mtlswatch_kernel_failures_total", "Kernel helpers that failed, by place.")
      .named("place", status.kernel_failures)
      .to(out);
  Family events = counter("mtlswatch_output_events_total", "Events written to an output.");
  Family errors = counter("mtlswatch_output_errors_total", "Events that an output lost.");
  Family queued = gauge("mtlswatch_output_queue_bytes", "Bytes that wait for an output.");
  for (const OutputStatus& output : status.outputs) {
    events.row({{"output", output.name}}, output.written);
    errors.row({{"output", output.name}}, output.lost);
    queued.row({{"output", output.name}}, output.queued_bytes);
  }
  for (Family* family : {&events, &errors, &queued}) family->to(out);
}

void add_kubernetes(std::vector<MetricFamily>& out, const KubernetesStatus& status) {
  gauge("mtlswatch_kubernetes_synced", "1 when this node's pods were listed, else 0.").row({}, status.synced ? 1.0 : 0.0).to(out);
  gauge("mtlswatch_kubernetes_pods", "Pods of this node that are known.").row({}, status.pods).to(out);
  counter("mtlswatch_kubernetes_lists_total", "Times that all pods were listed.").row({}, status.lists).to(out);
  counter("mtlswatch_kubernetes_errors_total", "Lists and watches that failed.").row({}, status.errors).to(out);
  counter("mtlswatch_kubernetes_pods_refused_total", "Times that there was no room for a pod.").row({}, status.refused).to(out);
}

void add_process(std::vector<MetricFamily>& out, const ProcessUsage& usage) {
  counter("process_cpu_seconds_total", "CPU time of the agent, user and system.").row({}, usage.cpu_seconds).to(out);
  gauge("process_resident_memory_bytes", "Resident memory of the agent.").row({}, usage.resident_bytes).to(out);
  gauge("process_open_fds", "Open file descriptors of the agent.").row({}, usage.open_fds).to(out);
  gauge("process_start_time_seconds", "When the agent started, since 1970.").row({}, usage.started_s).to(out);
}

}  // namespace

std::string metrics_text(const AgentStatus& status, const ProcessUsage& usage) {
  std::vector<MetricFamily> families;
  add_health(families, status);
  add_requests(families, status.counts);
  add_handshakes(families, status.counts);
  add_delay(families, status.counts.correlation_delay);
  add_alerts(families, status.counts);
  add_certificates(families, status);
  add_coverage(families, status);
  add_tables(families, status);
  add_losses(families, status);
  if (status.kubernetes) add_kubernetes(families, *status.kubernetes);
  add_process(families, usage);
  std::ostringstream text;
  prometheus::TextSerializer().Serialize(text, families);
  return text.str();
}

}  // namespace mtlswatch
