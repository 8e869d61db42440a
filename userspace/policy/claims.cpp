// SPDX-License-Identifier: Apache-2.0
#include "userspace/policy/claims.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>
#include <utility>

#include "userspace/policy/claimed_certificate.h"

namespace mtlswatch {
namespace {

struct HeaderKind {
  const char* name;  ///< folded
  const char* kind;
};

constexpr std::array kKinds = {
    HeaderKind{"x-ssl-client-subject", "subject"},
    HeaderKind{"x-ssl-client-issuer", "issuer"},
    HeaderKind{"x-ssl-client-verify", "verify"},
    HeaderKind{"x-ssl-client-serial", "serial"},
    HeaderKind{"x-ssl-client-not-before", "not_before"},
    HeaderKind{"x-ssl-client-not-after", "not_after"},
    HeaderKind{"x-ssl-client-s-dn", "subject"},
    HeaderKind{"x-ssl-client-i-dn", "issuer"},
    HeaderKind{"x-ssl-client-cn", "common_name"},
    HeaderKind{"x-ssl-client-cert", "certificate"},
    HeaderKind{"x-ssl-client-fingerprint", "fingerprint"},
    HeaderKind{"x-client-cert", "certificate"},
    HeaderKind{"client-cert", "certificate"},  // RFC 9440
    HeaderKind{"x-forwarded-client-cert", "xfcc"},
    HeaderKind{"ssl-client-s-dn", "subject"},
    HeaderKind{"ssl-client-i-dn", "issuer"},
    HeaderKind{"ssl-client-verify", "verify"},
    HeaderKind{"ssl-client-serial", "serial"},
    HeaderKind{"ssl-client-m-serial", "serial"},
    HeaderKind{"ssl-client-cert", "certificate"},
    HeaderKind{"ssl-client-fingerprint", "fingerprint"},
    HeaderKind{"ssl-client-s-dn-cn", "common_name"},
};

char fold(char c) {
  if (c == '_') return '-';
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

const char* kind_of(std::string_view name) {
  const auto row = std::find_if(kKinds.begin(), kKinds.end(), [&](const HeaderKind& each) {
    const std::string_view folded = each.name;
    return std::equal(name.begin(), name.end(), folded.begin(), folded.end(), [](char c, char other) { return fold(c) == other; });
  });
  return row == kKinds.end() ? "other" : row->kind;
}

/// nginx and Apache: SUCCESS, NONE, FAILED:why, GENEROUS; HAProxy: the verify code in decimal, 0 also without a
/// certificate.
Comparison compare_verify(const std::string& claimed, const ProvenIdentity& proven) {
  if (!proven.presented || (*proven.presented && !proven.verify_code)) return Comparison::kNotComparable;
  const bool verified = *proven.presented && *proven.verify_code == 0;
  std::string word;
  for (const char c : claimed) word += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  if (word == "SUCCESS") return verified ? Comparison::kMatches : Comparison::kContradicts;
  if (word == "0" && *proven.presented) return verified ? Comparison::kMatches : Comparison::kContradicts;
  if (word == "NONE" && !*proven.presented) return Comparison::kMatches;
  if (word.starts_with("FAILED") && *proven.presented && !verified) return Comparison::kMatches;
  return Comparison::kNotComparable;
}

Comparison compare_common_name(const std::string& claimed, const Certificate& certificate) {
  const auto& names = certificate.subject.common_name;
  const bool found = std::find(names.begin(), names.end(), claimed) != names.end();
  return found ? Comparison::kMatches : Comparison::kContradicts;
}

/// "subject" with a value that is no distinguished name is the common name alone, as some proxies are told to send it.
Comparison compare_subject(const std::string& claimed, const Certificate& certificate) {
  const Comparison result = compare_names(claimed, certificate.subject.text);
  const bool is_bare = claimed.find('=') == std::string::npos;
  return is_bare && compare_common_name(claimed, certificate) == Comparison::kMatches ? Comparison::kMatches : result;
}

Comparison compare_with_certificate(const Claim& claim, const Certificate& certificate) {
  if (claim.kind == "fingerprint") return compare_fingerprint(claim.value, certificate);
  if (claim.kind == "certificate") return compare_encoded(claim.value, certificate);
  if (claim.kind == "xfcc") return compare_forwarded(claim.value, certificate);
  if (!certificate.parsed) return Comparison::kNotComparable;
  if (claim.kind == "subject") return compare_subject(claim.value, certificate);
  if (claim.kind == "issuer") return compare_names(claim.value, certificate.issuer.text);
  if (claim.kind == "common_name") return compare_common_name(claim.value, certificate);
  if (claim.kind == "serial") return compare_serial(claim.value, certificate);
  if (claim.kind == "not_before") return compare_time(claim.value, certificate.not_before_s);
  if (claim.kind == "not_after") return compare_time(claim.value, certificate.not_after_s);
  return Comparison::kNotComparable;
}

/// What Apache and others send for a variable that is not set.
bool says_nothing(const std::string& value) { return value.empty() || value == "(null)" || value == "-"; }

bool is_proved_without_certificate(Reason reason) {
  return reason == Reason::kDirectConnection || reason == Reason::kPlaintextIngress;
}

/// Whom the request may come from, as far as claims can be held against it. Empty: nothing is proved.
std::vector<ProvenIdentity> proven_identities(const SettledExchange& exchange, const RequestReport& report) {
  if (is_proved_without_certificate(report.reason)) return {{false, std::nullopt, nullptr}};
  const bool is_unknown = verdict_of(report.reason) == Verdict::kUnknown;
  std::vector<ProvenIdentity> identities;
  if (is_unknown) return identities;
  for (const Origin& origin : exchange.provenance.origins) identities.push_back(proven_by(origin.session));
  return identities;
}

/// The best that any of them says: one candidate that fits is enough, all must contradict.
Comparison compare_with_any(const Claim& claim, const std::vector<ProvenIdentity>& identities) {
  Comparison best = identities.empty() ? Comparison::kNotComparable : Comparison::kContradicts;
  for (const ProvenIdentity& identity : identities) {
    const Comparison result = compare_claim(claim, identity);
    if (result == Comparison::kMatches) return result;
    if (result == Comparison::kNotComparable) best = result;
  }
  return best;
}

bool names_proxy(const Claim& claim, const std::vector<Hop>& hops) {
  return std::any_of(hops.begin(), hops.end(), [&](const Hop& hop) {
    return hop.tls && compare_claim(claim, proven_by(hop.session)) == Comparison::kMatches;
  });
}

}  // namespace

const std::vector<std::string>& default_identity_headers() {
  static const std::vector<std::string> kNames = [] {
    std::vector<std::string> names;
    for (const HeaderKind& row : kKinds) names.emplace_back(row.name);
    return names;
  }();
  return kNames;
}

std::string fold_header_name(const std::string& name) {
  std::string folded = name;
  std::transform(folded.begin(), folded.end(), folded.begin(), fold);
  return folded;
}

std::vector<Claim> list_claims(std::vector<HeaderField> identity_headers) {
  std::vector<Claim> claims;
  claims.reserve(identity_headers.size());
  for (HeaderField& field : identity_headers) {
    const char* const kind = kind_of(field.name);
    claims.push_back({std::move(field.name), kind, std::move(field.value), "not_checked"});
  }
  return claims;
}

ProvenIdentity proven_by(const Session& session) {
  return {session.presented, session.verify_code, session.chain.empty() ? nullptr : &session.chain.front()};
}

Comparison compare_claim(const Claim& claim, const ProvenIdentity& proven) {
  if (claim.kind == "other" || says_nothing(claim.value)) return Comparison::kNotComparable;
  if (claim.kind == "verify") return compare_verify(claim.value, proven);
  if (proven.certificate != nullptr) return compare_with_certificate(claim, *proven.certificate);
  return proven.presented == false ? Comparison::kContradicts : Comparison::kNotComparable;
}

void hold_claims(const SettledExchange& exchange, RequestReport& report) {
  if (report.head.state != HeadState::kComplete) return;  // what was cut off could say more: never guessed
  const std::vector<ProvenIdentity> identities = proven_identities(exchange, report);
  bool contradicted = false;
  for (Claim& claim : report.claims) {
    const Comparison result = compare_with_any(claim, identities);
    if (result == Comparison::kMatches) claim.result = "matches";
    if (result != Comparison::kContradicts) continue;
    const bool is_proxy = names_proxy(claim, report.hops);
    claim.result = is_proxy ? "names_proxy" : "contradicts";
    contradicted |= !is_proxy;
  }
  if (contradicted && verdict_of(report.reason) == Verdict::kAuthenticated)
    report.reason = Reason::kIdentityHeaderSpoofed;
}

}  // namespace mtlswatch
