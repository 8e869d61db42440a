// SPDX-License-Identifier: Apache-2.0
#include "userspace/decode/record_events.h"

#include <sys/socket.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "userspace/decode/characters.h"
#include "userspace/decode/raw_record.h"

namespace mtlswatch {
namespace {

constexpr std::uint32_t kDeepest = 255;  // of a chain; OpenSSL stops at 100

Endpoint ip_endpoint(std::uint16_t family, const std::uint8_t* address, std::uint16_t port) {
  Endpoint endpoint;
  endpoint.ip = family == AF_INET6 ? IpAddress::v6(address) : IpAddress::v4(address);
  endpoint.port = port;
  return endpoint;
}

/// A listener's path; an abstract name, which begins with NUL, is written with '@' for every NUL (as ss does).
std::string unix_path(const mtlswatch_connection& record) {
  std::string path(record.path, record.path_bytes);
  const auto last = path.find_last_not_of('\0');
  path.resize(last == std::string::npos ? 0 : last + 1);
  if (path.empty()) return path;
  if (path[0] != '\0') return path.substr(0, path.find('\0'));
  std::replace(path.begin(), path.end(), '\0', '@');
  return path;
}

std::string command_name(const char (&comm)[MTLSWATCH_COMM_BYTES]) {
  const std::string_view raw(comm, sizeof comm);
  std::string name(raw.substr(0, raw.find('\0')));
  std::replace_if(
      name.begin(), name.end(), [](char byte) { return byte >= 0 && !is_printable(byte); }, '?');
  return name;
}

}  // namespace

bool is_valid(const mtlswatch_connection& record) {
  const bool known_family = record.family == AF_INET || record.family == AF_INET6 || record.family == AF_UNIX;
  return known_family && record.role <= MTLSWATCH_ROLE_OTHER && record.path_bytes <= MTLSWATCH_PATH_BYTES;
}

ConnectionOpened connection_opened(const mtlswatch_connection& record) {
  ConnectionOpened event;
  event.time_ns = record.header.time_ns;
  event.actor = {record.header.pid, record.header.tid};
  event.id = record.cookie;
  event.role = static_cast<Role>(record.role);
  event.predates_agent = (record.flags & MTLSWATCH_CONNECTION_PREDATES) != 0;
  event.is_unix = record.family == AF_UNIX;
  event.socket = record.socket;
  event.peer_socket = record.peer_socket;
  event.netns = record.netns;
  event.uid = record.uid;
  event.peer_pid = record.peer_pid;
  event.cgroup_id = record.cgroup_id;
  event.process_name = command_name(record.comm);
  if (event.is_unix) {
    (event.role == Role::kEgress ? event.remote : event.local).path = unix_path(record);
  } else {
    event.local = ip_endpoint(record.family, record.local_address, record.local_port);
    event.remote = ip_endpoint(record.family, record.remote_address, record.remote_port);
  }
  return event;
}

std::optional<Turn> turn_of(const mtlswatch_io& record) {
  const auto has = [&record](std::uint32_t flag) { return (record.flags & flag) != 0; };
  const bool tells = has(MTLSWATCH_IO_TURN | MTLSWATCH_IO_END | MTLSWATCH_IO_BLOCKED | MTLSWATCH_IO_RESUMED);
  if (!tells && record.witness_cookie == 0) return std::nullopt;
  return Turn{.time_ns = record.header.time_ns,
              .actor = {record.header.pid, record.header.tid},
              .id = record.cookie,
              .is_send = has(MTLSWATCH_IO_SEND),
              .first_of_turn = has(MTLSWATCH_IO_TURN),
              .end_of_stream = has(MTLSWATCH_IO_END),
              .blocked = has(MTLSWATCH_IO_BLOCKED),
              .resumed = has(MTLSWATCH_IO_RESUMED),
              .relative_position = has(MTLSWATCH_IO_RELATIVE),
              .turn = record.turn,
              .position = record.position,
              .witness = {record.witness_cookie, record.witness_turn, record.witness_position}};
}

StreamTied stream_tied(const mtlswatch_stream& record) {
  StreamTied event;
  event.time_ns = record.header.time_ns;
  event.actor = {record.header.pid, record.header.tid};
  event.id = record.cookie;
  event.ingress = record.ingress_cookie;
  event.received = record.received_cookie;
  event.received_position = record.received_position;
  event.first_of_session = (record.flags & MTLSWATCH_STREAM_FIRST) != 0;
  event.by_socket = (record.flags & MTLSWATCH_STREAM_BY_SOCKET) != 0;
  event.session_started_ns = record.session_started_ns;
  return event;
}

HandshakeStep handshake_step(const mtlswatch_handshake& record) {
  HandshakeStep event;
  event.time_ns = record.header.time_ns;
  event.started_ns = record.started_ns;
  event.actor = {record.header.pid, record.header.tid};
  event.id = record.cookie;
  event.conflict = (record.flags & MTLSWATCH_HANDSHAKE_CONFLICT) != 0;
  event.incomplete = (record.flags & MTLSWATCH_HANDSHAKE_INCOMPLETE) != 0;
  event.ssl = record.ssl;
  event.driver = record.driver <= MTLSWATCH_DRIVER_PEEK ? static_cast<HandshakeDriver>(record.driver) : HandshakeDriver::kHandshake;
  event.content_told = (record.flags & MTLSWATCH_HANDSHAKE_CONTENT) != 0;
  const bool reads = event.driver == HandshakeDriver::kRead;
  event.result = reads ? record.result > 0 : event.driver == HandshakeDriver::kPeek ? 0 : record.result;
  if ((record.flags & MTLSWATCH_HANDSHAKE_VERIFIED) != 0) event.verify_code = record.verify_code;
  const bool has_depth = (record.flags & MTLSWATCH_HANDSHAKE_DEPTH) != 0 && record.verify_depth <= kDeepest;
  if (has_depth) event.verify_depth = static_cast<int>(record.verify_depth);
  if ((record.flags & MTLSWATCH_HANDSHAKE_REASON) != 0) event.reason = record.reason;
  if ((record.flags & MTLSWATCH_HANDSHAKE_RECEIVED) != 0) event.receive_result = record.receive_result;
  event.certificates = record.certificates;
  return event;
}

ConnectionClosed connection_closed(const mtlswatch_close& record) {
  const bool known = record.ending <= MTLSWATCH_ENDING_RESET;
  return {record.header.time_ns, record.cookie, known ? static_cast<Ending>(record.ending) : Ending::kUnknown};
}

std::optional<Event> session_event(const mtlswatch_session& record) {
  const Actor actor{record.header.pid, record.header.tid};
  const auto has = [&record](std::uint32_t flag) { return (record.flags & flag) != 0; };
  if (record.change == MTLSWATCH_SESSION_STORED || record.change == MTLSWATCH_SESSION_FOUND) {
    return SessionCached{record.header.time_ns, actor, record.cookie, record.session,
                         record.change == MTLSWATCH_SESSION_FOUND, has(MTLSWATCH_SESSION_ANSWERED)};
  }
  if (record.change != MTLSWATCH_SESSION_OFFERED || record.server_name_bytes > MTLSWATCH_SERVER_NAME_BYTES) return std::nullopt;
  const std::string_view name(record.server_name, record.server_name_bytes);
  const bool printable = std::all_of(name.begin(), name.end(), [](char byte) { return is_printable(byte) && byte != ' '; });
  return SessionOffered{record.header.time_ns, actor, record.cookie, has(MTLSWATCH_SESSION_COMPLETE),
                        has(MTLSWATCH_SESSION_CERTIFICATE), record.verify_code, printable ? lowered(name) : std::string()};
}

std::optional<ProcessChange> process_change(const mtlswatch_process& record) {
  ProcessChange event{record.header.time_ns, record.header.pid, ProcessChangeKind::kExec, record.parent_pid,
                      record.observed != 0};
  switch (record.change) {
    case MTLSWATCH_PROCESS_EXEC:
      event.kind = ProcessChangeKind::kExec;
      return event;
    case MTLSWATCH_PROCESS_FORK:
      event.kind = ProcessChangeKind::kFork;
      return event;
    case MTLSWATCH_PROCESS_EXIT:
      event.kind = ProcessChangeKind::kExit;
      return event;
    case MTLSWATCH_PROCESS_LISTEN:
      event.kind = ProcessChangeKind::kListen;
      return event;
    default:
      return std::nullopt;
  }
}

mtlswatch_connection record_of_losses(std::uint64_t time_ns, std::uint64_t records_lost) {
  mtlswatch_connection record{};
  record.header.kind = MTLSWATCH_KIND_LISTENER;
  record.header.size = sizeof record;
  record.header.time_ns = time_ns;
  record.header.records_lost = records_lost;
  return record;
}

std::optional<Listener> decode_listener(std::span<const std::uint8_t> record) {
  const auto header = read_header(record);
  if (!header || header->kind != MTLSWATCH_KIND_LISTENER) return std::nullopt;
  const auto socket = read_fixed<mtlswatch_connection>(record);
  if (!is_valid(socket)) return std::nullopt;
  Listener listener{header->pid, socket.netns, socket.uid, {}};
  if (socket.family == AF_UNIX)
    listener.endpoint.path = unix_path(socket);
  else
    listener.endpoint = ip_endpoint(socket.family, socket.local_address, socket.local_port);
  return listener;
}

}  // namespace mtlswatch
