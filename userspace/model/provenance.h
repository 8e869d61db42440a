// SPDX-License-Identifier: Apache-2.0
// What correlation found out about one request's way, before policy says what it proves.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "userspace/model/events.h"
#include "userspace/model/verdict.h"

namespace mtlswatch {

/// One ingress connection that may be where a request came in: its outermost observed end.
struct Origin {
  ConnectionId id = 0;
  Endpoint source;       ///< the client
  Endpoint destination;  ///< the listener it reached
  SharedProcess process = unknown_process();  ///< who ended it
  Session session;
  std::optional<FirstBytes> first_bytes;  ///< absent: not seen
  bool predates_agent = false;
  bool touched_by_loss = false;
  /// Its process takes client certificates after handshakes too (TLS 1.3 post-handshake authentication, renegotiation),
  /// where this version does not see whose connection they belong to.
  bool identity_may_have_changed = false;
  /// A local process is at its other end (a plaintext client of a front's own plaintext listener, say). Else null.
  SharedProcess peer_process;
  /// TLS, and its client is a local front: whether that relays somebody's session or opened this one itself is not known.
  bool may_be_a_fronts_own = false;
};

/// Who is at the other end of the backend's connection.
enum class PeerKind {
  kProcess,        ///< a process of this host: peer_process
  kRemote,         ///< an address of another host
  kTranslated,     ///< likewise, but it may be source NAT's, and the client a process of this host
  kUndetermined,   ///< local, but what connected was not seen
};

/// The way of one request, as far as it is known.
struct Provenance {
  PeerKind peer_kind = PeerKind::kUndetermined;
  SharedProcess peer_process;  ///< null: not known
  Endpoint peer;            ///< the address the backend sees
  std::vector<Hop> hops;    ///< outermost first
  /// Exactly one: attributed by a witness when method is not "candidates". None: no candidate at all.
  std::vector<Origin> origins;
  Attribution attribution;
  std::optional<Origin> own_tls;  ///< the backend ends TLS itself: its connection, and that session
  bool backend_connection_predates = false;
  bool backend_connection_lossy = false;  ///< records were lost while it was open
  bool upstream_predates = false;  ///< the peer's exchange began before the agent, or cannot be joined to it
  bool upstream_seen = false;      ///< the peer's sending of this request was seen
  /// No client is known to have asked: its proxy asks by itself too (health checks), and says of clients' requests whose they are.
  bool may_be_proxys_own = false;
  /// Further out the request passed a process that is no front. origins are its clients; none: they were not seen.
  bool through_stranger = false;
};

/// A request whose evidence is complete, or will not become more complete.
struct SettledExchange {
  RequestSeen request;
  bool request_seen = true;  ///< false: only its response was
  int status = 0;
  std::uint64_t response_ns = 0;
  Endpoint server;
  SharedProcess process = unknown_process();
  Provenance provenance;
  bool touched_by_loss = false;
};

}  // namespace mtlswatch
