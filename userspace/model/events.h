// SPDX-License-Identifier: Apache-2.0
// What the decode stage makes of the kernel's records: the input of correlation. All times are CLOCK_BOOTTIME
// nanoseconds; a connection's id is its socket cookie.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "userspace/model/address.h"
#include "userspace/model/certificate.h"
#include "userspace/model/content.h"
#include "userspace/model/hello.h"
#include "userspace/model/http.h"
#include "userspace/model/process.h"

namespace mtlswatch {

using ConnectionId = std::uint64_t;

/// The task that acted.
struct Actor {
  std::uint32_t pid = 0;
  std::uint32_t tid = 0;
};

enum class Role { kUnknown, kIngress, kEgress, kOther };

struct ConnectionOpened {
  std::uint64_t time_ns = 0;
  Actor actor;
  ConnectionId id = 0;
  Role role = Role::kUnknown;
  bool predates_agent = false;
  bool is_unix = false;
  std::uint64_t socket = 0;       ///< Unix: identity of this end
  std::uint64_t peer_socket = 0;  ///< Unix: identity of the other end
  std::uint32_t netns = 0;
  std::uint32_t uid = 0;
  std::uint32_t peer_pid = 0;  ///< Unix
  std::uint64_t cgroup_id = 0;
  Endpoint local;   ///< Unix: the listener's path on the accepted end
  Endpoint remote;  ///< Unix: the listener's path on the connected end
  std::string process_name;
};

/// The connection this thread last received from, as seen at a send: the raw material of a witness.
struct Witness {
  ConnectionId id = 0;  ///< 0: none
  std::uint64_t turn = 0;
  std::uint64_t position = 0;  ///< stream position of that turn's first byte
};

/// A direction change, an end of stream, or a new witness on a connection.
struct Turn {
  std::uint64_t time_ns = 0;
  Actor actor;
  ConnectionId id = 0;
  bool is_send = false;
  bool first_of_turn = false;  ///< false: a later send that has a witness of its own
  bool end_of_stream = false;
  bool blocked = false;        ///< the send left the socket without space
  bool resumed = false;        ///< the send before it had
  bool relative_position = false;
  std::uint64_t turn = 0;
  std::uint64_t position = 0;
  Witness witness;
};

/// A proxy's own functions say: what is sent next on this upstream connection, if that begins a turn, is what this client
/// asked for.
struct StreamTied {
  std::uint64_t time_ns = 0;
  Actor actor;
  ConnectionId id = 0;        ///< the upstream connection
  ConnectionId ingress = 0;   ///< 0: nobody's request, or not known whose
  ConnectionId received = 0;  ///< what the thread had last received from when the request's stream was made
  std::uint64_t received_position = 0;   ///< where that turn began
  std::uint64_t session_started_ns = 0;  ///< when the proxy took the client's connection on
  bool first_of_session = false;         ///< its client was inferred from received itself
  bool by_socket = false;                ///< its client's socket was found in the request itself; there is no session
};

/// A process has read this from a TLS client of its own, decrypted.
struct ContentRead {
  std::uint64_t time_ns = 0;
  Actor actor;
  ConnectionId id = 0;
  bool odd = false;          ///< what this client has asked is not known in full, from now on for good
  bool more_unseen = false;  ///< more of a body was read, and further reads may not be told until the client's next turn
  std::vector<Gram> grams;   ///< of what was read now, and of its joint with what was read before
  std::shared_ptr<const HeadPrint> head;  ///< that was completed by it; null: none
};

/// The first bytes received on an ingress connection that is not a backend's.
enum class FirstBytes { kTls, kHttp1, kHttp2, kProxyProtocol, kOther };
struct ConnectionBegan {
  std::uint64_t time_ns = 0;
  ConnectionId id = 0;
  FirstBytes kind = FirstBytes::kOther;
};

struct ClientHelloSeen {
  std::uint64_t time_ns = 0;
  ConnectionId id = 0;
  ClientHello hello;
};

struct ServerHelloSeen {
  std::uint64_t time_ns = 0;
  ConnectionId id = 0;
  ServerHello hello;
};

/// A protected backend has read a request head, or as much of one as could be read.
struct RequestSeen {
  std::uint64_t time_ns = 0;  ///< of the receive that brought its first byte
  Actor actor;
  ConnectionId id = 0;
  std::uint64_t position = 0;  ///< stream position of its first byte
  bool relative_position = false;
  /// Of an encrypted head: it may be the client's last handshake message instead. One is told for each turn of the client.
  bool may_be_handshake = false;
  RequestHead head{};
};

/// A protected backend has sent a status line that is not 1xx. status is 0 when the bytes are no HTTP response.
struct ResponseSeen {
  std::uint64_t time_ns = 0;
  Actor actor;
  ConnectionId id = 0;
  int status = 0;
  bool first_of_turn = false;  ///< or behind requests that may not have been seen: it answers, and is no part of a body
  bool encrypted = false;  ///< answers an encrypted request, if one was asked
};

/// The call that drives a handshake. What each returns means something else.
enum class HandshakeDriver { kHandshake, kRead, kPeek };

/// A call that drives a handshake returned.
struct HandshakeStep {
  std::uint64_t time_ns = 0;
  std::uint64_t started_ns = 0;
  Actor actor;
  ConnectionId id = 0;  ///< 0: unbound
  bool conflict = false;  ///< bytes of two accepted sockets were received inside
  bool incomplete = false;  ///< a call inside was perhaps missed: what is told is true, and may not be all
  std::uint64_t ssl = 0;
  int result = 0;  ///< 1: established; it never is where the driver is kPeek
  bool content_told = false;  ///< nothing was read from it before; what is read from now on comes as ContentRead
  std::optional<int> verify_code;     ///< X509_V_*
  std::optional<int> verify_depth;    ///< of the certificate that the code is about; 0: the leaf
  std::optional<int> reason;          ///< library-20 reason, SSL_R_*
  std::optional<int> receive_result;  ///< bytes, 0 end of stream, -errno
  std::uint32_t certificates = 0;
  HandshakeDriver driver = HandshakeDriver::kHandshake;
};

/// One certificate of the peer's chain.
struct PeerCertificate {
  std::uint64_t time_ns = 0;
  Actor actor;
  ConnectionId id = 0;
  std::uint64_t ssl = 0;
  std::uint32_t index = 0;  ///< 0: leaf
  Certificate certificate;
  bool of_session = false;  ///< not sent by the peer: it was in the session that it offered
};

/// A session older than its connection was decoded: from a ticket, or from a cache outside of the library.
struct SessionOffered {
  std::uint64_t time_ns = 0;
  Actor actor;
  ConnectionId id = 0;
  bool complete = false;         ///< all its fields were read: what is not here is not in it
  bool has_certificate = false;  ///< its certificate follows as a PeerCertificate that is of_session
  int verify_code = 0;           ///< X509_V_*
  std::string server_name{};       ///< of the original handshake, lower case; empty: not kept
};

/// The server's in-process session cache was used.
struct SessionCached {
  std::uint64_t time_ns = 0;
  Actor actor;
  ConnectionId id = 0;        ///< 0: outside of a handshake
  std::uint64_t session = 0;  ///< address of the SSL_SESSION
  bool found = false;         ///< taken out for this handshake; else stored
  bool own = false;           ///< stored by the handshake that made it
};

/// How a TCP connection came to its end.
enum class Ending {
  kUnknown,
  kPeer,   ///< the peer closed first
  kLocal,  ///< this end closed first
  kReset,
};

struct ConnectionClosed {
  std::uint64_t time_ns = 0;
  ConnectionId id = 0;
  Ending ending = Ending::kUnknown;
};

enum class ProcessChangeKind { kExec, kFork, kExit, kListen };
struct ProcessChange {
  std::uint64_t time_ns = 0;
  std::uint32_t pid = 0;
  ProcessChangeKind kind = ProcessChangeKind::kExec;
  std::uint32_t parent_pid = 0;
  bool observed = false;  ///< one of the processes that are followed
};

/// The kernel side dropped records between these two times.
struct RecordsLost {
  std::uint64_t from_ns = 0;
  std::uint64_t to_ns = 0;
  std::uint64_t count = 0;
};

/// Facts about a process became known or changed.
struct ProcessKnown {
  ProcessFacts facts;
};

/// The kernel clock has reached now_ns: deadlines are due.
struct Tick {
  std::uint64_t now_ns = 0;
};

using Event = std::variant<ConnectionOpened, Turn, StreamTied, ConnectionBegan, ClientHelloSeen, ServerHelloSeen, ContentRead, RequestSeen,
                           ResponseSeen, HandshakeStep, PeerCertificate, SessionOffered, SessionCached, ConnectionClosed,
                           ProcessChange, RecordsLost, ProcessKnown, Tick>;

}  // namespace mtlswatch
