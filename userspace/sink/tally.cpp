// SPDX-License-Identifier: Apache-2.0
#include "userspace/sink/tally.h"

#include <algorithm>

namespace mtlswatch {
namespace {

struct VerifyFailure {
  int code;
  const char* name;
};

// X509_V_ERR_*
constexpr VerifyFailure kVerifyFailures[] = {
    {2, "issuer_unknown"},
    {7, "bad_signature"},
    {9, "not_yet_valid"},
    {10, "expired"},
    {18, "self_signed"},
    {19, "self_signed_root"},
    {20, "issuer_unknown"},
    {21, "issuer_unknown"},
    {22, "chain_too_long"},
    {23, "revoked"},
    {24, "invalid_ca"},
    {25, "path_too_long"},
    {26, "wrong_purpose"},
    {27, "not_trusted"},
    {28, "rejected"},
    {3, "no_revocation_list"},
    {12, "revocation_list_expired"},
    {50, "application"},
    {66, "key_too_small"},
    {67, "ca_key_too_small"},
    {68, "digest_too_weak"},
};
constexpr const char* kOther = "other";

const char* version_text(const Session& session) {
  if (!session.server_hello) return "unknown";
  switch (session.server_hello->version) {
    case 0x0301:
      return "1.0";
    case 0x0302:
      return "1.1";
    case 0x0303:
      return "1.2";
    case 0x0304:
      return "1.3";
    default:
      return "unknown";
  }
}

const char* client_certificate_text(const HandshakeReport& report) {
  const Session& session = report.session;
  if (report.outcome == "failure") return "failed";
  if (report.outcome != "success" || !session.presented) return "unknown";
  if (!*session.presented) return "none";
  if (!session.verify_code) return "unknown";
  return *session.verify_code == 0 ? "verified" : "unverified";
}

std::size_t status_class(int status) {
  return status >= 100 && status < 600 ? static_cast<std::size_t>(status / 100) : 0;
}

/// Its whole head was read, and no id of any kind was in it.
bool has_no_id(const RequestHead& head) {
  return head.state == HeadState::kComplete && head.request_id.empty() && head.correlation_id.empty() && head.trace_id.empty();
}

void add_delay(DelayHistogram& delay, double seconds) {
  const auto& bounds = DelayHistogram::kBoundsS;
  ++delay.counts[static_cast<std::size_t>(std::lower_bound(bounds.begin(), bounds.end(), seconds) - bounds.begin())];
  delay.sum_s += seconds;
}

}  // namespace

const char* verify_failure_name(int code) {
  for (const VerifyFailure& row : kVerifyFailures) {
    if (row.code == code) return row.name;
  }
  return kOther;
}

std::vector<std::string> verify_failure_names() {
  std::vector<std::string> names = {kOther};
  for (const VerifyFailure& row : kVerifyFailures) names.emplace_back(row.name);
  return names;
}

HandshakeKind kind_of(const HandshakeReport& report) {
  HandshakeKind kind;
  kind.proxy = report.process->known_proxy.empty() ? kOther : report.process->known_proxy;
  kind.outcome = report.outcome;
  kind.client_cert = client_certificate_text(report);
  kind.tls_version = version_text(report.session);
  kind.resumed = !report.session.resumed ? "unknown" : *report.session.resumed ? "true" : "false";
  return kind;
}

void Tally::know_service(const std::string& name) { service(name); }

ServiceCounts& Tally::service(const std::string& name) {
  const auto known = counts_.services.find(name);
  if (known != counts_.services.end()) return known->second;
  const bool is_full = counts_.services.size() >= kServices;
  ServiceCounts& counts = counts_.services[is_full ? kOtherService : name];
  for (const Reason reason : all_reasons()) counts.requests.try_emplace({verdict_of(reason), text(reason)}, 0);
  return counts;
}

void Tally::count(const Report& report, std::uint64_t now_ns) {
  if (const auto* request = std::get_if<RequestReport>(&report)) count_request(*request, now_ns);
  if (const auto* handshake = std::get_if<HandshakeReport>(&report)) count_handshake(*handshake);
  if (const auto* alert = std::get_if<AlertReport>(&report)) count_alert(*alert);
}

void Tally::know_rule(const std::string& id, Severity severity) { counts_.alerts.try_emplace({id, text(severity)}, 0); }

void Tally::count_alert(const AlertReport& report) {
  counts_.alerts_suppressed += report.suppressed;
  if (report.state == "first") ++counts_.alerts[{report.rule_id, text(report.severity)}];
}

void Tally::count_request(const RequestReport& report, std::uint64_t now_ns) {
  ServiceCounts& counts = service(report.backend);
  ++counts_.requests;
  ++counts.requests[{report.verdict, reason_text(report)}];
  ++counts.responses[static_cast<std::size_t>(report.verdict)][status_class(report.status)];
  if (has_no_id(report.head)) ++counts.without_id;
  const std::uint64_t from_ns = report.response_ns != 0 ? report.response_ns : report.time_ns;
  add_delay(counts_.correlation_delay, now_ns > from_ns ? static_cast<double>(now_ns - from_ns) / 1e9 : 0);
}

void Tally::count_handshake(const HandshakeReport& report) {
  ++counts_.handshakes[kind_of(report)];
  const Session& session = report.session;
  const bool is_checked = session.presented.value_or(false) && session.verify_code.value_or(0) != 0;
  if (is_checked) ++counts_.verify_failures[verify_failure_name(*session.verify_code)];
}

}  // namespace mtlswatch
