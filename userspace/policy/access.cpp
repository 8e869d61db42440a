// SPDX-License-Identifier: Apache-2.0
#include "userspace/policy/access.h"

#include <fnmatch.h>

#include <algorithm>

#include "userspace/policy/request_path.h"

namespace mtlswatch {
namespace {

bool any_matches(const std::vector<std::string>& patterns, const std::string& text) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& pattern) { return matches_glob(pattern, text); });
}

void add_once(std::vector<std::string>& list, const char* what) {
  if (std::find(list.begin(), list.end(), what) == list.end()) list.emplace_back(what);
}

void check_access(const AccessPolicy& access, const Certificate& certificate, std::vector<std::string>& violations) {
  if (!access.issuers.empty() && !any_matches(access.issuers, certificate.issuer.text))
    add_once(violations, "unexpected_issuer");
  if (access.subjects.empty() || any_matches(access.subjects, certificate.subject.text)) return;
  const auto& names = certificate.alternative_names;
  const bool by_name = std::any_of(names.begin(), names.end(),
                                   [&](const std::string& name) { return any_matches(access.subjects, name); });
  if (!by_name) add_once(violations, "unexpected_subject");
}

/// An identity of "one of" has no certificate of its own, and is not judged by name.
void find_violations(const BackendConfig& backend, const std::optional<std::string>& path, RequestReport& report) {
  if (!report.certificate || !report.certificate->parsed) return;
  check_access(backend.access, *report.certificate, report.violations);
  for (const PathPolicy& policy : backend.paths) {
    if (!path || matches_glob(policy.path, *path)) check_access(policy.access, *report.certificate, report.violations);
  }
}

bool is_public(const BackendConfig& backend, const std::optional<std::string>& path) {
  if (backend.access.is_public) return true;
  return std::any_of(backend.paths.begin(), backend.paths.end(),
                     [&](const PathPolicy& policy) { return policy.access.is_public && path && policy.path == *path; });
}

bool fits(const ExemptionConfig::Process& process, const SharedProcess& peer) {
  return peer && peer->executable == process.executable && peer->uid == process.uid &&
         matches_glob(process.cgroup, peer->cgroup);
}

bool fits(const ExemptionConfig& exemption, const std::optional<std::string>& path, std::int64_t now_s,
          const RequestReport& report) {
  if (!exemption.enabled || now_s >= exemption.expires_s) return false;
  if (!exemption.backend.empty() && exemption.backend != report.backend) return false;
  if (!path || exemption.path != *path || exemption.method != report.head.method) return false;
  if (exemption.process) return fits(*exemption.process, report.peer_process);
  return report.source && !report.source->is_unix() && exemption.source &&
         exemption.source->contains(report.source->ip);
}

bool may_be_exempt(const RequestReport& report) {
  if (report.verdict == Verdict::kAuthenticated || report.reason == Reason::kIdentityHeaderSpoofed) return false;
  if (report.head.state != HeadState::kComplete) return false;  // more claims could follow
  return std::none_of(report.claims.begin(), report.claims.end(),
                      [](const Claim& claim) { return claim.result == "contradicts"; });
}

void exempt(RequestReport& report, AppliedExemption exemption) {
  report.exemption = std::move(exemption);
  report.verdict = Verdict::kExempt;
}

}  // namespace

bool matches_glob(const std::string& pattern, const std::string& text) {
  std::string literal;  // fnmatch's brackets are not ours: certificates' names may hold them
  for (const char c : pattern) literal += c == '[' || c == '\\' ? std::string("\\") + c : std::string(1, c);
  return fnmatch(literal.c_str(), text.c_str(), 0) == 0;
}

void apply_policy(const Config& config, std::int64_t now_s, RequestReport& report) {
  const auto backend = std::find_if(config.backends.begin(), config.backends.end(),
                                    [&](const BackendConfig& item) { return item.name == report.backend; });
  const bool is_configured = backend != config.backends.end();
  const std::optional<std::string> path = normalised_path(report.head.path);
  if (report.verdict == Verdict::kAuthenticated) {
    if (report.certificate && report.certificate->parsed && report.certificate->not_after_s <= now_s)
      report.violations.emplace_back("certificate_expired");
    if (is_configured) find_violations(*backend, path, report);
    return;
  }
  if (!may_be_exempt(report)) return;
  if (is_configured && is_public(*backend, path)) return exempt(report, {"public_path", "", "public on purpose", ""});
  for (const ExemptionConfig& exemption : config.exemptions) {
    if (fits(exemption, path, now_s, report))
      return exempt(report, {exemption.name, exemption.owner, exemption.reason, exemption.expires});
  }
}

}  // namespace mtlswatch
