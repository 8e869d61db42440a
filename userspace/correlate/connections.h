// SPDX-License-Identifier: Apache-2.0
// Every connection of every observed process, by socket cookie and by the ends that find its other end.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "userspace/correlate/session_cache.h"
#include "userspace/model/events.h"
#include "userspace/model/verdict.h"

namespace mtlswatch {

/// A send on an ingress connection while this thread had last received from the upstream connection that keeps it.
struct ResponseWitness {
  ConnectionId id = 0;         ///< the ingress connection
  std::uint64_t position = 0;  ///< where its last received turn began
  bool valid = true;  ///< false: the send went on after a blocked one, so it may belong to an older response
  bool first_of_turn = false;  ///< the first send after something was received there; else a timer may have made it
  /// Or the first one after the handshake, whose last message may have come in one piece with the request.
  bool begins_answer = false;
};

/// The symbol witness of an upstream turn: see stream_ties.h.
struct StreamTie {
  ConnectionId ingress = 0;
  std::optional<std::uint64_t> position;  ///< where the ingress turn began that the request came in
  std::uint64_t session_started_ns = 0;  ///< 0: there is none, the client was found by its socket
};

/// What was sent upstream between two receives: one request, for a proxy that does not pipeline.
struct UpstreamTurn {
  std::uint64_t turn = 0;
  std::uint64_t position = 0;
  std::uint64_t time_ns = 0;
  Witness request_witness;
  std::vector<ResponseWitness> response_witnesses;
  std::optional<StreamTie> tie;
  bool tie_agreed = false;  ///< the tied client was answered with what came back
  /// Its process sent nothing else upstream since the request witness was received, and until the first client was answered.
  bool is_lone = false;
  bool content_compared = false;  ///< what the sockets say, with the content witness
};

/// A head that was read from a client.
struct ToldHead {
  std::uint64_t time_ns = 0;
  std::uint64_t position = 0;  ///< where the turn began that it came in
  std::shared_ptr<const HeadPrint> print;
};

/// What a client has sent inside TLS, from its first byte on: see content_witness.h.
struct ToldContent {
  std::uint32_t told_by = 0;  ///< its process; 0: not known, or not in full
  bool more_unseen = false;
  bool is_odd = false;  ///< it may have sent anything
  std::vector<Gram> grams;  ///< of all of it, ascending
  std::deque<ToldHead> heads;  ///< newest last, at most kHeads
  static constexpr std::size_t kHeads = 4;
};

struct Connection {
  ConnectionOpened opened;
  Role role = Role::kUnknown;
  std::uint32_t owner_pid = 0;  ///< who received or sent on it last
  std::uint64_t last_ns = 0;    ///< of its last event
  std::uint64_t closed_ns = 0;  ///< 0: open
  Ending ending = Ending::kUnknown;
  std::uint64_t ended_ns = 0;   ///< end of stream was received; 0: not
  bool blocked = false;         ///< its last send left no space
  std::uint64_t last_blocked_ns = 0;  ///< the last send that found or left it so
  std::uint64_t unanswered_ns = 0;    ///< when the last received turn began, if nothing was sent since; else 0
  bool touched_by_loss = false;
  bool follows_loss = false;  ///< accepted: when it was connected, or first sent on, records were perhaps lost
  // Ingress
  std::optional<FirstBytes> first_bytes;
  Session session;
  bool handshake_reported = false;
  std::uint32_t handshake_certificates = 0;
  std::uint64_t server_hello_ns = 0;
  bool seen_in_part = false;  ///< a call inside its handshake may have been missed
  bool seen_late = false;  ///< its first handshake call began behind the ServerHello: certificates may have come unseen
  CertificateChain renewed_chain;           ///< of a client that is asked again, until its handshake call returns
  std::optional<OlderSession> offered;         ///< the session that the server may resume; the last one counts
  std::vector<std::uint64_t> stored_sessions;  ///< put into the in-process cache by this handshake, at most kStored
  std::uint64_t first_request_ns = 0;  ///< first bytes that may be a request: plaintext, or after the handshake
  std::optional<std::uint64_t> first_received_position;  ///< of the first turn that was seen
  std::uint64_t receive_turn_position = 0;
  std::uint64_t receive_turn_ns = 0;
  /// Of the last received turn, what may be an encrypted request or the end of the handshake.
  struct Undecided {
    std::uint64_t time_ns = 0;
    Actor actor;
    std::uint64_t position = 0;
    std::uint64_t turn_ns = 0;
  };
  std::optional<Undecided> undecided;
  std::uint64_t asked_turn_ns = 0;  ///< the last received turn that an encrypted request was taken for
  ConnectionId relayed_from = 0;  ///< Connections::relay_of, once found
  bool is_relayed = false;        ///< the reverse: its process does not end the TLS on it, another one does
  std::uint64_t proxy_session_ns = 0;  ///< when its session began, as the proxy's own functions tell; 0: not told
  ToldContent content;
  // Egress
  std::deque<UpstreamTurn> turns;   ///< newest last, at most kTurns
  std::uint64_t first_turn_ns = 0;  ///< of the first one ever
  std::optional<std::uint64_t> first_sent_position;  ///< where that began
  bool dials_tls = false;           ///< its process is the client of a handshake on it

  static constexpr std::size_t kTurns = 64;
  static constexpr std::size_t kStored = 8;
  UpstreamTurn* find_turn(std::uint64_t turn);
  UpstreamTurn* turn_at(std::uint64_t position);  ///< the newest that began there
  UpstreamTurn* turn_over(std::uint64_t position);  ///< TCP: the newest that began there or before
  /// Unix: its positions count from when it was first observed, not from the stream's beginning.
  bool counts_late() const { return opened.is_unix && opened.predates_agent; }
};

class Connections {
 public:
  explicit Connections(std::size_t capacity) : capacity_(capacity) {}

  /// Enters a connection, or renews what is known of one.
  Connection& open(const ConnectionOpened& opened);
  Connection* find(ConnectionId id);
  const Connection* find(ConnectionId id) const;
  /// Notes who uses the connection now, and when.
  void touch(Connection& connection, const Actor& actor, std::uint64_t time_ns);
  void close(Connection& connection, std::uint64_t time_ns);

  /// The connected end on this host whose accepted end is given, or null. Unix: by the sockets' identities, both ways.
  /// TCP: by both addresses; or, behind destination NAT, by the source and by what was sent at this stream position.
  Connection* other_end(const Connection& accepted, std::uint64_t position);
  /// The reverse: the accepted end on this host of a connected one, or null.
  Connection* accepted_end(const Connection& connected);

  void note_first_sent(Connection& connected, std::uint64_t position);
  /// Whether a connection of this host began to send where this accepted one began to receive: source NAT (masquerading) may
  /// have made a local client of it look remote. No proof that it is that one: who has a network stack of his own chooses
  /// his positions.
  bool may_be_translated(const Connection& accepted) const;

  /// Where the TLS bytes of an accepted connection came into the process at its other end, if that only relays them: it
  /// passes the client's random on as it is. Null where none fits, or several do.
  Connection* relay_of(Connection& accepted);

  /// Ingress connections that this process uses, open or closed not long ago.
  const std::unordered_set<ConnectionId>& ingress_of(std::uint32_t pid) const { return owned(ingress_, pid); }
  /// Those of which it is not known yet on which side they are.
  const std::unordered_set<ConnectionId>& undecided_of(std::uint32_t pid) const { return owned(undecided_, pid); }

  /// Calls visit(Connection&) for each.
  template <typename Visit>
  void for_each(Visit visit) {
    for (auto& [id, connection] : connections_) visit(connection);
  }

  /// Whether an open ingress connection of this process had to be forgotten: what is left is not all that there are.
  bool forgot_ingress_of(std::uint32_t pid) const { return incomplete_.contains(pid); }
  /// Closes its Unix connections; the kernel tells of the others.
  void end_process(std::uint32_t pid, std::uint64_t time_ns);
  /// Forgets connections closed a while ago, then the longest idle ones above the capacity.
  void sweep(std::uint64_t now_ns);
  std::size_t size() const { return connections_.size(); }
  std::uint64_t evicted() const { return evicted_; }

  static constexpr std::uint64_t kLingerNs = 15'000'000'000;

 private:
  struct EndpointHash {
    std::size_t operator()(const Endpoint& endpoint) const;
  };
  using EndpointIndex = std::unordered_multimap<Endpoint, ConnectionId, EndpointHash>;
  using OwnerIndex = std::unordered_map<std::uint32_t, std::unordered_set<ConnectionId>>;
  Connection* relay_ingress(std::uint32_t pid, const Connection& relayed);
  Connection* unix_other_end(const Connection& connection);
  void retire_older_use(const ConnectionOpened& opened);
  void index(const Connection& connection);
  void unindex(const Connection& connection);
  static const std::unordered_set<ConnectionId>& owned(const OwnerIndex& index, std::uint32_t pid);
  OwnerIndex* owners(const Connection& connection);
  void disown(const Connection& connection);
  template <typename Index, typename Key>
  static void erase_entry(Index& index, const Key& key, ConnectionId id);
  void evict_idle();

  std::size_t capacity_;
  std::uint64_t evicted_ = 0;
  std::unordered_map<ConnectionId, Connection> connections_;
  EndpointIndex by_local_;   ///< TCP, not ingress: by the local address
  EndpointIndex by_remote_;  ///< TCP, ingress: by the remote address
  std::unordered_multimap<std::uint64_t, ConnectionId> by_first_sent_;      ///< TCP, by first_sent_position
  std::unordered_map<std::uint64_t, ConnectionId> by_socket_;               ///< Unix
  OwnerIndex ingress_;
  OwnerIndex undecided_;
  std::unordered_set<std::uint32_t> incomplete_;  ///< processes of evicted open ingress connections
};

}  // namespace mtlswatch
