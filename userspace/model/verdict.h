// SPDX-License-Identifier: Apache-2.0
// What the agent says about one request, and about one handshake: the values behind the output contract
// (DESIGN sections 5 and 6).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "userspace/model/address.h"
#include "userspace/model/certificate.h"
#include "userspace/model/coverage.h"
#include "userspace/model/events.h"
#include "userspace/model/hello.h"
#include "userspace/model/http.h"
#include "userspace/model/process.h"

namespace mtlswatch {

enum class Verdict { kAuthenticated, kBypass, kUnknown, kExempt };
enum class Confidence { kExact, kOneOf, kNone };

/// event.reason of a request, the closed vocabulary of DESIGN section 5.
enum class Reason {
  kVerifiedClientCertificate,
  kNoClientCertificate,
  kClientCertificateNotVerified,
  kPlaintextIngress,
  kDirectConnection,
  kResumedUnderOtherName,
  kIdentityHeaderSpoofed,
  kPredatesAgent,
  kEventLoss,
  kAmbiguous,
  kProxyOriginated,
  kUnsupportedTlsLibrary,
  kUnsupportedBackendProtocol,
  kPeerNotMonitored,
  kFrontNotTrusted,
  kUnboundSession,
  kUnseenRequest,
  kEarlyData,
};

const char* text(Verdict verdict);        ///< "authenticated", "bypass", "unknown", "exempt"
const char* text(Confidence confidence);  ///< "exact", "one_of", "none"
const char* text(Reason reason);          ///< "verified_client_certificate", ...
Verdict verdict_of(Reason reason);        ///< each reason belongs to one verdict
std::vector<Reason> all_reasons();

/// State of the TLS handshake of an ingress connection.
enum class SessionState { kNone, kHandshaking, kEstablished, kFailed };

/// TLS facts of one connection. Presented, verified, accepted and forwarded are separate facts: none is derived from
/// another (SSL_get_verify_result is X509_V_OK when nothing was sent).
struct Session {
  SessionState state = SessionState::kNone;
  std::uint64_t started_ns = 0;
  std::uint64_t finished_ns = 0;  ///< established or failed; 0 while handshaking
  std::optional<bool> resumed;    ///< absent where it cannot be known
  /// Whether the client sent a certificate: known when one was seen, or when the handshake was a full one.
  std::optional<bool> presented;
  std::optional<int> verify_code;
  std::optional<int> verify_depth;  ///< of the certificate that the code is about, 0 being the leaf; where it was seen
  /// Whether the handshake succeeded; absent while no probe has told.
  std::optional<bool> tls_accepted;
  /// The client was asked again after the handshake (TLS 1.3 post-handshake authentication, renegotiation): what stood before
  /// then is not known any more. 0: it was not.
  std::uint64_t reauthenticated_ns = 0;
  bool retried = false;  ///< a HelloRetryRequest came: the second hello, which is not read, may name another server
  std::optional<int> failure_reason;  ///< SSL_R_*
  CertificateChain chain;
  bool has_whole_chain = false;       ///< chain is all that the client sent
  std::shared_ptr<const ClientHello> client_hello;  ///< null: not seen
  std::shared_ptr<const ServerHello> server_hello;  ///< likewise
  std::string original_server_name;   ///< resumed: SNI of the handshake that made the session; empty: not known
  bool unsupported_library = false;  ///< TLS on the wire, and no probe saw its handshake
};

/// One handshake, ready to be written.
struct HandshakeReport {
  std::uint64_t time_ns = 0;  ///< of its end
  std::string event_id;
  Session session;
  std::string outcome;  ///< event.outcome: success, failure, unknown
  std::string reason;   ///< event.reason: "established", "certificate_verify_failed", "abandoned", ...
  Endpoint source;
  Endpoint destination;
  bool bound = false;  ///< source and destination are known
  SharedProcess process = unknown_process();
};

/// One hop of a request's way, outermost first.
struct Hop {
  SharedProcess process = unknown_process();
  std::optional<Endpoint> source;
  std::optional<Endpoint> destination;
  bool tls = false;
  Session session;
  std::string evidence;  ///< "response witness", "peer socket", ...
};

/// What an identity header claimed, and how it compares with the certificate.
struct Claim {
  std::string header;
  std::string kind;    ///< "subject", "serial", "verify", ...
  std::string value;
  std::string result;  ///< "matches", "contradicts", "names_proxy" (a proxy's certificate), "not_checked"
};

/// The exemption that a request was let through by.
struct AppliedExemption {
  std::string name;  ///< "public_path" for a path that is public on purpose
  std::string owner;
  std::string reason;
  std::string expires;
};

/// What the agent's own verification says of a client's certificate (`client_ca`).
struct OwnVerification {
  std::optional<int> verify_code;  ///< X509_V_*, when the request came; absent: not enough of the chain is known
  std::string disagreement;        ///< with the proxy: "verified_by_proxy_only", "not_verified_by_proxy"; empty: none
};

struct Attribution {
  std::string method = "none";  ///< "request+response", "response", "symbol", "content", "candidates", "peer", "none"
  Confidence confidence = Confidence::kNone;
  std::uint32_t candidates = 0;
};

/// One request that a protected backend read, judged.
struct RequestReport {
  std::uint64_t time_ns = 0;  ///< when the backend read its first byte
  std::uint64_t response_ns = 0;  ///< when its final status was sent; 0 if none was seen
  std::string event_id;
  Verdict verdict = Verdict::kUnknown;
  Reason reason = Reason::kAmbiguous;
  std::optional<Verdict> worst_case;  ///< for unknown / ambiguous: the worst verdict among the candidates
  Attribution attribution;
  RequestHead head;
  int status = 0;  ///< 0: none seen
  std::string backend;
  Endpoint server;                     ///< the backend's end of its connection
  std::optional<Endpoint> source;      ///< the origin client
  std::optional<Endpoint> destination; ///< the listener it reached
  SharedProcess process = unknown_process();  ///< the backend's worker
  SharedProcess peer_process;          ///< a local direct connection's process; else null
  std::vector<Hop> hops;               ///< outermost first
  std::vector<Claim> claims;
  std::shared_ptr<const Certificate> certificate;  ///< the origin's leaf; null for one_of
  std::optional<OwnVerification> client_ca;  ///< absent: its backend has none, or no certificate of one client is known
  std::optional<Session> origin;           ///< the origin's session, where there is exactly one
  /// Verdict kExempt only; reason then says what it would have been.
  std::optional<AppliedExemption> exemption;
  /// What policy objects to in an authenticated request: "unexpected_issuer", "unexpected_subject",
  /// "certificate_expired" (after its handshake), "verified_by_proxy_only".
  std::vector<std::string> violations;
  bool is_written = true;  ///< false: its backend's configuration leaves it out of the outputs; it is counted all the same
};

/// event.reason: an exempt request's is its exemption.
std::string reason_text(const RequestReport& report);

enum class Severity { kLow, kMedium, kHigh, kCritical };
const char* text(Severity severity);  ///< "low", "medium", "high", "critical"

/// One incident of one rule: its beginning, a summary while it goes on, or its end.
struct AlertReport {
  std::uint64_t time_ns = 0;
  std::string event_id;
  std::string rule_id;      ///< "MTLS-1001"
  std::string rule_name;    ///< "mtls-bypass"; event.action too
  std::string description;  ///< of the rule
  Severity severity = Severity::kLow;
  std::string state;        ///< "first", "summary", "resolved"
  std::string fingerprint;  ///< of the incident: the same in all its alerts, and after a restart
  std::string message;      ///< one plain sentence
  std::string reason;       ///< what of the rule it was: "no_client_certificate", "expired", ...
  std::string cause;        ///< the likely one, where the rule can tell
  std::string backend;
  std::optional<Endpoint> source;
  std::optional<Endpoint> destination;
  SharedProcess process;              ///< the stranger, or the front; else null
  std::optional<Certificate> certificate;
  std::uint64_t first_seen_ns = 0;
  std::uint64_t last_seen_ns = 0;
  std::uint64_t count = 0;            ///< sightings so far
  std::uint64_t suppressed = 0;       ///< incidents that the rate limit kept back since the alert before
  std::vector<std::string> evidence;  ///< ids of events: the first few and the last
};

/// One distinct client name, as `status` and the identity summary show it.
struct IdentitySeen {
  std::string common_name;  ///< else the first alternative name, else the subject
  std::string subject;
  std::string issuer;
  std::string service;  ///< of its last authenticated request; empty: none yet
  std::uint64_t requests = 0;
  std::uint64_t handshakes = 0;           ///< that ended in success
  std::uint64_t handshakes_rejected = 0;  ///< refused, or accepted although verification failed
  std::int64_t not_after_s = 0;           ///< of the certificate seen last
  std::uint64_t first_seen_ns = 0;
  std::uint64_t last_seen_ns = 0;
};

/// Life and honesty of the sensor.
struct AgentReport {
  std::uint64_t time_ns = 0;
  std::string event_id;
  std::string action;   ///< agent-ready, agent-coverage, agent-loss, agent-stopping, identity-summary
  std::string message;  ///< one plain sentence
  std::uint64_t records_lost = 0;
  std::uint64_t events_lost = 0;  ///< by outputs
  std::vector<ProcessFacts> processes;  ///< agent-coverage, agent-ready: what is watched
  std::vector<IdentitySeen> identities;  ///< identity-summary: the most frequent clients
  std::uint64_t identities_known = 0;    ///< identity-summary: how many there are
  std::vector<LibraryCoverage> libraries;  ///< agent-coverage: what can be seen of them, and what cannot
};

using Report = std::variant<HandshakeReport, RequestReport, AgentReport, AlertReport>;

}  // namespace mtlswatch
