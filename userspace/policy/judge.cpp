// SPDX-License-Identifier: Apache-2.0
#include "userspace/policy/judge.h"

#include <algorithm>

#include "userspace/policy/claims.h"

namespace mtlswatch {
namespace {

bool is_plaintext(const Origin& origin) {
  return origin.first_bytes == FirstBytes::kHttp1 || origin.first_bytes == FirstBytes::kHttp2;
}

bool is_blind(const ProcessFacts& process) { return process.tls_coverage == "blind"; }

bool may_be_early(const Session& session) {
  return session.client_hello && (session.client_hello->has_early_data || session.client_hello->cut);
}

void show_origin(const Origin& origin, RequestReport& report) {
  report.source = origin.source;
  report.destination = origin.destination;
  report.origin = origin.session;
  report.certificate = origin.session.chain.leaf();
}

// A direct connection has no proxy's listener: the backend's own end is where the client came in.
void show_direct(const SettledExchange& exchange, RequestReport& report) {
  report.source = exchange.provenance.peer;
  report.destination = exchange.server;
  report.peer_process = exchange.provenance.peer_process;
  report.attribution = {"peer", Confidence::kExact, 1};
}

}  // namespace

bool HostAddresses::contains(const IpAddress& address) const {
  return address.is_loopback() || std::find(local.begin(), local.end(), address) != local.end();
}

RequestReport Judge::judge(SettledExchange exchange) {
  RequestReport report;
  report.time_ns = exchange.request.time_ns;
  if (!exchange.touched_by_loss) {  // else it may have been another request's response
    report.response_ns = exchange.response_ns;
    report.status = exchange.status;
  }
  report.backend = exchange.process->backend;
  report.server = exchange.server;
  report.process = exchange.process;
  report.attribution = exchange.provenance.attribution;
  report.claims = list_claims(std::move(exchange.request.head.identity_headers));
  report.reason = reason_for(exchange, report);
  report.head = std::move(exchange.request.head);
  report.hops = std::move(exchange.provenance.hops);
  hold_claims(exchange, report);
  report.verdict = verdict_of(report.reason);
  if (report.verdict == Verdict::kUnknown && report.attribution.confidence != Confidence::kExact) {
    report.attribution.confidence = Confidence::kNone;
  }
  return report;
}

Reason Judge::reason_for(const SettledExchange& exchange, RequestReport& report) {
  const Provenance& way = exchange.provenance;
  const bool through_local_front = way.peer_kind == PeerKind::kProcess && way.peer_process && way.peer_process->front;
  if (through_local_front) backends_with_front_.insert(report.backend);
  if (!exchange.request_seen) return Reason::kUnseenRequest;
  if (exchange.touched_by_loss) return Reason::kEventLoss;
  if (exchange.request.head.state == HeadState::kUnsupported) return Reason::kUnsupportedBackendProtocol;
  if (through_local_front) return through_front(exchange, report);
  if (way.own_tls) return at_own_tls(exchange, report);
  Reason reason = Reason::kAmbiguous;
  if (way.peer_kind == PeerKind::kProcess) reason = from_stranger(exchange);
  if (way.peer_kind == PeerKind::kRemote) reason = from_remote(exchange, report.backend);
  if (way.peer_kind == PeerKind::kTranslated) reason = Reason::kPeerNotMonitored;
  if (way.peer_kind == PeerKind::kUndetermined) {
    reason = way.backend_connection_predates ? Reason::kPredatesAgent : Reason::kEventLoss;
  }
  if (reason == Reason::kDirectConnection) show_direct(exchange, report);
  return reason;
}

Reason Judge::through_front(const SettledExchange& exchange, RequestReport& report) const {
  const Provenance& way = exchange.provenance;
  if (!way.upstream_seen) return way.upstream_predates ? Reason::kPredatesAgent : Reason::kAmbiguous;
  if (way.through_stranger) return beyond_stranger(exchange, report);
  if (way.attribution.method == "candidates") return among_candidates(exchange, report);
  if (way.origins.size() != 1) return Reason::kAmbiguous;
  const Reason reason = of_origin(way.origins.front(), exchange);
  if (reason != Reason::kAmbiguous) show_origin(way.origins.front(), report);  // else it may be another front's, not a client's
  return reason;
}

// The backend ended TLS itself, and no front stands before it: the client is whoever shook hands with it.
Reason Judge::at_own_tls(const SettledExchange& exchange, RequestReport& report) const {
  const Provenance& way = exchange.provenance;
  const Origin& origin = way.origins.size() == 1 && way.origins.front().id == way.own_tls->id ? way.origins.front() : *way.own_tls;
  show_origin(origin, report);
  report.peer_process = way.peer_process;
  report.attribution = {"peer", Confidence::kExact, 1};
  return of_origin(origin, exchange);
}

Reason Judge::among_candidates(const SettledExchange& exchange, RequestReport& report) const {
  const std::vector<Origin>& origins = exchange.provenance.origins;
  if (origins.empty()) return Reason::kProxyOriginated;
  bool all_verified = true;
  bool all_unsupported = true;
  Verdict worst = Verdict::kAuthenticated;
  for (const Origin& origin : origins) {
    const Reason reason = of_origin(origin, exchange);
    const Verdict verdict = verdict_of(reason);
    if (verdict == Verdict::kAuthenticated) continue;
    all_verified = false;
    all_unsupported &= reason == Reason::kUnsupportedTlsLibrary;
    if (worst != Verdict::kBypass) worst = verdict;
  }
  if (all_verified && !exchange.provenance.may_be_proxys_own) return Reason::kVerifiedClientCertificate;
  if (!all_verified && all_unsupported) return Reason::kUnsupportedTlsLibrary;
  report.worst_case = all_verified ? Verdict::kUnknown : worst;
  return Reason::kAmbiguous;
}

// A front took the request in plaintext from a process that is none, and that has clients of its own.
Reason Judge::beyond_stranger(const SettledExchange& exchange, RequestReport& report) const {
  const std::vector<Origin>& origins = exchange.provenance.origins;
  const bool all_unverified = !origins.empty() && std::all_of(origins.begin(), origins.end(), [&](const Origin& origin) {
    return verdict_of(of_origin(origin, exchange)) == Verdict::kBypass;
  });
  if (!all_unverified) return Reason::kFrontNotTrusted;
  if (origins.size() == 1) show_origin(origins.front(), report);
  return Reason::kPlaintextIngress;
}

// A process of this host that is no front: a direct connection, unless it may be handing a verified client on. A relay of
// an unprivileged user with a CA of his own would launder himself that way, so it is never trusted either; where its TLS
// cannot be seen at all, that is said first.
Reason Judge::from_stranger(const SettledExchange& exchange) const {
  if (exchange.provenance.through_stranger && exchange.provenance.origins.empty()) return Reason::kFrontNotTrusted;
  bool is_unsupported = false;
  for (const Origin& origin : exchange.provenance.origins) {
    const Reason reason = of_origin(origin, exchange);
    if (verdict_of(reason) == Verdict::kBypass) continue;
    if (reason != Reason::kUnsupportedTlsLibrary || !is_blind(*origin.process)) return Reason::kFrontNotTrusted;
    is_unsupported = true;
  }
  return is_unsupported ? Reason::kUnsupportedTlsLibrary : Reason::kDirectConnection;
}

Reason Judge::from_remote(const SettledExchange& exchange, const std::string& name) const {
  const Provenance& way = exchange.provenance;
  if (addresses_.contains(way.peer.ip)) {  // local, and yet its socket was not seen
    return way.backend_connection_predates ? Reason::kPredatesAgent : Reason::kPeerNotMonitored;
  }
  const Reason reason = of_remote_address(way.peer.ip, name);
  if (reason != Reason::kDirectConnection) return reason;
  // Source NAT may hide a local front behind that address: that it does not is known only of connections seen whole.
  if (way.backend_connection_predates) return Reason::kPredatesAgent;
  return way.backend_connection_lossy ? Reason::kEventLoss : reason;
}

Reason Judge::of_remote_address(const IpAddress& address, const std::string& name) const {
  const BackendConfig* configured = backend(name);
  if (!configured || !configured->proxies) {
    return backends_with_front_.contains(name) ? Reason::kDirectConnection : Reason::kPeerNotMonitored;
  }
  return is_remote_proxy(address, name) ? Reason::kPeerNotMonitored : Reason::kDirectConnection;
}

// What a configured proxy of another host took, it may have taken with a verified certificate.
bool Judge::is_remote_proxy(const IpAddress& address, const std::string& name) const {
  const BackendConfig* configured = backend(name);
  if (!configured || !configured->proxies || addresses_.contains(address)) return false;
  const auto& proxies = *configured->proxies;
  return std::any_of(proxies.begin(), proxies.end(), [&](const Cidr& range) { return range.contains(address); });
}

Reason Judge::of_origin(const Origin& origin, const SettledExchange& exchange) const {
  const Reason reason = of_ingress(origin, exchange);
  const bool speaks_for_others = reason == Reason::kPlaintextIngress || reason == Reason::kNoClientCertificate;
  return speaks_for_others && is_remote_proxy(origin.source.ip, exchange.process->backend) ? Reason::kPeerNotMonitored : reason;
}

Reason Judge::of_ingress(const Origin& origin, const SettledExchange& exchange) const {
  if (is_plaintext(origin)) {
    const bool may_hide_a_front = origin.peer_process && origin.peer_process->front;
    return may_hide_a_front ? Reason::kAmbiguous : Reason::kPlaintextIngress;
  }
  if (origin.may_be_a_fronts_own) return Reason::kAmbiguous;
  if (origin.session.state == SessionState::kEstablished) return of_session(origin, exchange);
  if (origin.predates_agent) return Reason::kPredatesAgent;
  if (origin.touched_by_loss) return Reason::kEventLoss;
  if (origin.session.tls_accepted == false && may_be_early(origin.session)) return Reason::kEarlyData;
  const bool cannot_fire = is_blind(*origin.process) && origin.first_bytes == FirstBytes::kTls;
  const bool no_probe_fired = cannot_fire || (!origin.session.tls_accepted && origin.session.server_hello);
  return no_probe_fired ? Reason::kUnsupportedTlsLibrary : Reason::kUnboundSession;
}

// An established session of which a fact is missing: its handshake began before the agent, records were lost, or it was
// resumed and the original one was not seen.
Reason Judge::why_unseen(const Origin& origin) {
  if (origin.predates_agent) return Reason::kPredatesAgent;
  return origin.touched_by_loss ? Reason::kEventLoss : Reason::kUnboundSession;
}

Reason Judge::of_session(const Origin& origin, const SettledExchange& exchange) const {
  const Session& session = origin.session;
  if (origin.identity_may_have_changed) return Reason::kUnboundSession;
  if (session.reauthenticated_ns > exchange.request.time_ns) return Reason::kUnboundSession;  // who it was before is not kept
  if (may_be_early(session) && exchange.request.time_ns < session.finished_ns) return Reason::kEarlyData;
  if (!session.presented) return why_unseen(origin);
  if (!*session.presented) return Reason::kNoClientCertificate;
  if (!session.verify_code) return why_unseen(origin);
  if (*session.verify_code != 0) return Reason::kClientCertificateNotVerified;
  if (session.chain.empty()) return Reason::kEventLoss;
  if (const auto reason = of_names(session, origin.process->known_proxy)) return *reason;
  const bool intermediary = is_intermediary(session.chain.front(), exchange.process->backend);
  return intermediary ? Reason::kPeerNotMonitored : Reason::kVerifiedClientCertificate;
}

// The certificate was verified for the name of the handshake that made the session; a server may hold another name to other
// authorities (CVE-2025-23419). A client that names none now may have reached any of them.
std::optional<Reason> Judge::of_names(const Session& session, std::string_view proxy) {
  if (session.resumed != true) return std::nullopt;
  const bool names_none = !session.client_hello || session.client_hello->server_name.empty();
  // A server that does not look at names keeps none. These do, and keep none that they do not know: that session is one of
  // the default server's.
  const bool looks_at_names = proxy == "nginx" || proxy == "apache" || proxy == "haproxy";
  if (session.original_server_name.empty()) return looks_at_names && !names_none ? std::optional(Reason::kUnboundSession) : std::nullopt;
  if (names_none || session.retried) return Reason::kUnboundSession;
  if (session.client_hello->server_name == session.original_server_name) return std::nullopt;
  return Reason::kResumedUnderOtherName;
}

bool Judge::is_intermediary(const Certificate& certificate, const std::string& name) const {
  const BackendConfig* configured = backend(name);
  if (!configured) return false;
  const auto names_it = [&](const std::string& pattern) {
    const auto& names = certificate.alternative_names;
    return pattern == certificate.subject.text || std::find(names.begin(), names.end(), pattern) != names.end();
  };
  return std::any_of(configured->intermediaries.begin(), configured->intermediaries.end(), names_it);
}

const BackendConfig* Judge::backend(const std::string& name) const {
  const auto found = std::find_if(config_.backends.begin(), config_.backends.end(),
                                  [&](const BackendConfig& item) { return item.name == name; });
  return found == config_.backends.end() ? nullptr : &*found;
}

}  // namespace mtlswatch
