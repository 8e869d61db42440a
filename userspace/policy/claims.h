// SPDX-License-Identifier: Apache-2.0
// Identity headers: which headers of a request claim a client identity, and what each claims.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "userspace/model/http.h"
#include "userspace/model/provenance.h"
#include "userspace/model/verdict.h"
#include "userspace/policy/claimed_name.h"

namespace mtlswatch {

/// The header names watched by default: the usual proxies' ways to hand an identity on.
const std::vector<std::string>& default_identity_headers();

/// "x-ssl-client-verify" for "X_SSL_Client-Verify": names fold case and '-' / '_', as WSGI does.
std::string fold_header_name(const std::string& name);

/// Every identity header as a claim. A claim is "not_checked" until it is compared with a certificate.
std::vector<Claim> list_claims(std::vector<HeaderField> identity_headers);

/// What a claim is held against: the facts of one session.
struct ProvenIdentity {
  std::optional<bool> presented;
  std::optional<int> verify_code;
  const Certificate* certificate = nullptr;  ///< null: none, or not seen
};

ProvenIdentity proven_by(const Session& session);

/// Whether the claim says of its sender what the session proves. A claim of less than that ("NONE" where a certificate
/// was verified) comes from an inner proxy and accuses nobody: not comparable.
Comparison compare_claim(const Claim& claim, const ProvenIdentity& proven);

/// Fills in every result of report.claims: "matches", "contradicts", "names_proxy" (it is the certificate of a proxy on
/// the way) or "not_checked". To be called once the reason is known. A contradiction makes an otherwise authenticated
/// request identity_header_spoofed; transport reasons stay.
void hold_claims(const SettledExchange& exchange, RequestReport& report);

}  // namespace mtlswatch
