// SPDX-License-Identifier: Apache-2.0
// Raw kernel records for tests: say what matters, the rest has plain defaults. Bytes are as the ring delivers them.
#pragma once

#include <mtlswatch/event.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mtlswatch::test {

using RawRecord = std::vector<std::uint8_t>;

inline std::span<const std::uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

template <typename Record>
RawRecord raw(Record record, mtlswatch_kind kind, std::span<const std::uint8_t> data = {}, std::size_t data_class = 0) {
  record.header.kind = kind;
  record.header.size = static_cast<std::uint32_t>(sizeof record + data_class);
  RawRecord out(record.header.size);
  std::memcpy(out.data(), &record, sizeof record);
  std::copy(data.begin(), data.end(), out.begin() + sizeof record);
  return out;
}

inline mtlswatch_header header(std::uint64_t time_ns = 1000, std::uint32_t pid = 10, std::uint32_t tid = 11) {
  mtlswatch_header value{};
  value.time_ns = time_ns;
  value.pid = pid;
  value.tid = tid;
  return value;
}

struct ConnectionFields {
  std::uint64_t cookie = 1;
  std::uint8_t role = MTLSWATCH_ROLE_INGRESS;
  std::uint8_t flags = 0;
  std::uint16_t family = AF_INET;
  std::string_view path = {};  ///< AF_UNIX
  std::uint64_t time_ns = 1000;
};

/// 10.0.0.1:8443 <- 10.0.0.2:40000 by "nginx", or a Unix socket at path.
inline RawRecord connection_record(const ConnectionFields& fields = {},
                                   mtlswatch_kind kind = MTLSWATCH_KIND_CONNECTION) {
  mtlswatch_connection record{};
  record.header = header(fields.time_ns);
  record.cookie = fields.cookie;
  record.role = fields.role;
  record.flags = fields.flags;
  record.family = fields.family;
  record.local_port = 8443;
  record.remote_port = 40000;
  const std::uint8_t local[4] = {10, 0, 0, 1}, remote[4] = {10, 0, 0, 2};
  std::memcpy(record.local_address, local, sizeof local);
  std::memcpy(record.remote_address, remote, sizeof remote);
  std::memcpy(record.comm, "nginx", 5);
  record.path_bytes = static_cast<std::uint32_t>(std::min(fields.path.size(), sizeof record.path));
  std::copy_n(fields.path.begin(), record.path_bytes, record.path);
  return raw(record, kind);
}

struct IoFields {
  std::uint64_t cookie = 1;
  std::uint64_t position = 0;
  std::uint64_t turn = 1;
  std::uint32_t flags = MTLSWATCH_IO_TURN;
  std::string_view data = {};
  std::uint32_t length = 0;  ///< 0: size of data
  std::uint64_t time_ns = 1000;
  std::uint64_t witness = 0;
  std::uint64_t records_lost = 0;
  std::uint32_t received = 0;
};

inline RawRecord io_record(const IoFields& fields) {
  mtlswatch_io record{};
  record.header = header(fields.time_ns);
  record.header.records_lost = fields.records_lost;
  record.cookie = fields.cookie;
  record.position = fields.position;
  record.turn = fields.turn;
  record.witness_cookie = fields.witness;
  record.flags = fields.flags;
  record.received = fields.received;
  record.captured_bytes = static_cast<std::uint32_t>(fields.data.size());
  record.length = fields.length != 0 ? fields.length : record.captured_bytes;
  const std::size_t size = fields.data.size();
  const std::size_t data_class = size == 0     ? 0
                                 : size <= 64  ? 64
                                 : size <= 512 ? 512
                                               : std::max<std::size_t>(2048, size);
  return raw(record, MTLSWATCH_KIND_IO, bytes_of(fields.data), data_class);
}

struct ContentFields {
  std::uint64_t cookie = 1;
  std::uint64_t position = 0;
  std::string_view data = {};
  std::uint32_t length = 0;  ///< 0: size of data
};

inline RawRecord content_record(const ContentFields& fields) {
  mtlswatch_content record{};
  record.header = header();
  record.cookie = fields.cookie;
  record.position = fields.position;
  record.captured_bytes = static_cast<std::uint32_t>(fields.data.size());
  record.length = fields.length != 0 ? fields.length : record.captured_bytes;
  return raw(record, MTLSWATCH_KIND_CONTENT, bytes_of(fields.data), fields.data.size() <= 512 ? 512 : 2048);
}

inline RawRecord close_record(std::uint64_t cookie = 1, std::uint64_t time_ns = 1000) {
  mtlswatch_close record{};
  record.header = header(time_ns);
  record.cookie = cookie;
  return raw(record, MTLSWATCH_KIND_CLOSE);
}

struct HandshakeFields {
  std::uint64_t cookie = 1;
  std::uint64_t ssl = 0x5510;
  std::int32_t result = 1;
  std::int32_t verify_code = 0;
  std::int32_t reason = 0;
  std::int32_t receive_result = 0;
  std::uint32_t certificates = 0;
  std::uint32_t flags = 0;
  std::uint64_t time_ns = 1000;
};

inline RawRecord handshake_record(const HandshakeFields& fields = {}) {
  mtlswatch_handshake record{};
  record.header = header(fields.time_ns);
  record.cookie = fields.cookie;
  record.ssl = fields.ssl;
  record.started_ns = fields.time_ns - 100;
  record.result = fields.result;
  record.verify_code = fields.verify_code;
  record.reason = fields.reason;
  record.receive_result = fields.receive_result;
  record.certificates = fields.certificates;
  record.flags = fields.flags;
  return raw(record, MTLSWATCH_KIND_HANDSHAKE);
}

struct CertificateFields {
  std::uint64_t cookie = 1;
  std::uint64_t ssl = 0x5510;
  std::uint32_t index = 0;
  std::uint32_t tid = 11;
};

/// One record for the part of der that begins at offset.
inline RawRecord certificate_record(std::span<const std::uint8_t> der, std::size_t offset,
                                    const CertificateFields& fields = {}) {
  mtlswatch_certificate record{};
  record.header = header(1000, 10, fields.tid);
  record.cookie = fields.cookie;
  record.ssl = fields.ssl;
  record.index = fields.index;
  record.length = static_cast<std::uint32_t>(der.size());
  record.offset = static_cast<std::uint32_t>(offset);
  record.captured_bytes = static_cast<std::uint32_t>(std::min(der.size() - offset, sizeof record.data));
  std::memcpy(record.data, der.data() + offset, record.captured_bytes);
  return raw(record, MTLSWATCH_KIND_CERTIFICATE);
}

inline RawRecord process_record(std::uint32_t change, std::uint32_t pid = 10, std::uint32_t parent_pid = 1) {
  mtlswatch_process record{};
  record.header = header(1000, pid, pid);
  record.change = change;
  record.parent_pid = parent_pid;
  return raw(record, MTLSWATCH_KIND_PROCESS);
}

/// The captured data of an io record; empty for every other.
inline std::string data_of(const RawRecord& record) {
  mtlswatch_io io{};
  std::memcpy(&io, record.data(), std::min(record.size(), sizeof io));
  if (io.header.kind != MTLSWATCH_KIND_IO) return {};
  return {record.begin() + sizeof io, record.begin() + sizeof io + io.captured_bytes};
}

}  // namespace mtlswatch::test
