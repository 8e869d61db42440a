// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/explain_words.h"

#include <span>

namespace mtlswatch {
namespace {

struct Words {
  std::string_view key;
  std::string_view words;
};

constexpr Words kReasons[] = {
    {"verified_client_certificate",
     "the TLS session that this request came through was established at a trusted front, a client certificate was "
     "presented "
     "in it, and its verification gave 0 (X509_V_OK)"},
    {"no_client_certificate",
     "it came through TLS, but the client presented no certificate and the front forwarded it all the same"},
    {"client_certificate_not_verified",
     "the client's certificate did not verify, and the front forwarded the request all the same"},
    {"plaintext_ingress", "an observed front took the request without TLS"},
    {"direct_connection", "whoever sent it connected to the backend directly, past every front"},
    {"resumed_under_other_name", "the session was resumed under another server name than the one it was made for"},
    {"identity_header_spoofed", "a header that names the client contradicts the certificate that was presented"},
    {"predates_agent", "a connection on its way is older than the agent, which therefore missed its beginning"},
    {"event_loss", "kernel records were lost while it was under way, so evidence may be missing"},
    {"ambiguous", "more than one client connection may have caused it, and they do not all prove the same"},
    {"proxy_originated", "the front sent it by itself: no client's connection caused it"},
    {"unsupported_tls_library", "the front speaks TLS with a library that cannot be observed"},
    {"unsupported_backend_protocol", "what the backend read is no HTTP/1.x request that can be told apart"},
    {"peer_not_monitored", "it came from a host, or through a proxy, where no agent of this kind looks on"},
    {"front_not_trusted", "the process that forwarded it is not known as a front: anybody could run it"},
    {"unbound_session",
     "the TLS session could not be tied to a handshake that was observed (a resumed one, for example)"},
    {"unseen_request", "only the response was seen, not the request"},
    {"early_data", "it was sent as 0-RTT data before its handshake completed"},
    {"public_path", "the path is public on purpose"},
};

constexpr Words kEvidence[] = {
    {"request+response",
     "both witnesses agree: the thread that sent the request on had last received from this client's connection "
     "(socket "
     "receive, then send), and the response was sent to the same connection after it was received from the next hop"},
    {"response",
     "the response: it was sent to this client's connection by the thread that had just received it from the next hop "
     "(socket receive, then send)"},
    {"request",
     "the thread that sent the request on had last received from this client's connection (socket receive, then send)"},
    {"symbol",
     "the proxy's own functions, which tie the stream of this client's connection to the connection that they send it on (probes)"},
    {"content",
     "the request itself: it carries a value that this client sent inside TLS and none of the process's other clients did (SSL_read)"},
    {"client hello", "the same TLS hello passed through it: it relays bytes, and the session inside is the next hop's"},
    {"candidates", "the client connections that the process had open and that had carried a request before"},
    {"peer",
     "the other end of the backend's own socket (kernel socket identity; for TCP the addresses and stream position)"},
    {"none", "nothing"},
};

constexpr Words kConfidences[] = {
    {"exact", "exactly one client connection fits"},
    {"one_of", "which of the client connections that may have asked did is not proved; the verdict holds for each of them"},
    {"none", "no client connection could be tied to it"},
};

constexpr Words kClaims[] = {
    {"matches", "agrees with the certificate"},
    {"contradicts", "CONTRADICTS the certificate"},
    {"unfounded", "CLAIMS what no certificate was seen to prove"},
    {"names_proxy", "names a proxy's certificate"},
    {"not_checked", "was not compared"},
};

std::string_view look_up(std::span<const Words> table, std::string_view key) {
  for (const Words& row : table) {
    if (row.key == key) return row.words;
  }
  return {};
}

constexpr Words kClientCa[] = {
    {"verified", "verified"},
    {"not_verified", "NOT verified"},
    {"not_checked", "not checked, for not all of the chain is known"},
};

}  // namespace

std::string_view reason_words(std::string_view reason) { return look_up(kReasons, reason); }
std::string_view evidence_words(std::string_view evidence) { return look_up(kEvidence, evidence); }
std::string_view confidence_words(std::string_view confidence) { return look_up(kConfidences, confidence); }
std::string_view client_ca_words(std::string_view result) { return look_up(kClientCa, result); }
std::string_view claim_words(std::string_view result) { return look_up(kClaims, result); }

}  // namespace mtlswatch
