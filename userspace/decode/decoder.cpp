// SPDX-License-Identifier: Apache-2.0
#include "userspace/decode/decoder.h"

#include <algorithm>
#include <numeric>

#include "userspace/decode/characters.h"
#include "userspace/decode/raw_record.h"
#include "userspace/decode/record_events.h"

namespace mtlswatch {

void Decoder::decode(std::span<const std::uint8_t> record, std::vector<Event>& out) {
  ++records_;
  const auto header = read_header(record);
  if (!header) {
    ++malformed_[0];
    return;
  }
  note_losses(*header, out);
  if (!decode_kind(*header, record, out)) ++malformed_[header->kind < malformed_.size() ? header->kind : 0];
}

void Decoder::note_losses(const mtlswatch_header& header, std::vector<Event>& out) {
  const std::uint64_t time_ns = header.time_ns;
  if (header.records_lost > records_lost_) {
    // Two CPUs may have stamped their records out of order.
    const auto [from_ns, to_ns] = std::minmax(previous_ns_, time_ns);
    out.emplace_back(RecordsLost{from_ns, to_ns, header.records_lost - records_lost_});
    records_lost_ = header.records_lost;
  }
  previous_ns_ = time_ns;
}

/// False: the record is malformed.
bool Decoder::decode_kind(const mtlswatch_header& header, std::span<const std::uint8_t> record,
                          std::vector<Event>& out) {
  switch (header.kind) {
    case MTLSWATCH_KIND_IO:
      return decode_io(record, out);
    case MTLSWATCH_KIND_CONNECTION:
      return decode_connection(record, out);
    case MTLSWATCH_KIND_CLOSE:
      decode_close(record, out);
      return true;
    case MTLSWATCH_KIND_HANDSHAKE:
      decode_handshake(record, out);
      return true;
    case MTLSWATCH_KIND_CERTIFICATE:
      return decode_certificate(record, out);
    case MTLSWATCH_KIND_PROCESS: {
      const auto change = process_change(read_fixed<mtlswatch_process>(record));
      if (change) out.emplace_back(*change);
      return change.has_value();
    }
    case MTLSWATCH_KIND_SESSION: {
      const auto session = session_event(read_fixed<mtlswatch_session>(record));
      if (session) out.emplace_back(*session);
      return session.has_value();
    }
    case MTLSWATCH_KIND_STREAM:
      out.emplace_back(stream_tied(read_fixed<mtlswatch_stream>(record)));
      return true;
    case MTLSWATCH_KIND_CONTENT:
      return decode_content(record, out);
    default:
      return true;  // LISTENER: not an event
  }
}

bool Decoder::decode_connection(std::span<const std::uint8_t> record, std::vector<Event>& out) {
  const auto connection = read_fixed<mtlswatch_connection>(record);
  if (!is_valid(connection)) return false;
  streams_.open(connection);
  out.emplace_back(connection_opened(connection));
  return true;
}

bool Decoder::decode_io(std::span<const std::uint8_t> record, std::vector<Event>& out) {
  const auto io = read_fixed<mtlswatch_io>(record);
  const auto data = io_data(record, io);
  if (!data) return false;
  if (const auto turn = turn_of(io)) out.emplace_back(*turn);
  streams_.read(io, *data, out);
  return true;
}

bool Decoder::decode_content(std::span<const std::uint8_t> record, std::vector<Event>& out) {
  const auto content = read_fixed<mtlswatch_content>(record);
  const auto data = content_data(record, content);
  if (data) out.emplace_back(contents_.read(content, as_text(*data)));
  return data.has_value();
}

void Decoder::decode_close(std::span<const std::uint8_t> record, std::vector<Event>& out) {
  const auto close = read_fixed<mtlswatch_close>(record);
  streams_.close(close.cookie);
  contents_.close(close.cookie);
  out.emplace_back(connection_closed(close));
}

void Decoder::decode_handshake(std::span<const std::uint8_t> record, std::vector<Event>& out) {
  const auto handshake = read_fixed<mtlswatch_handshake>(record);
  certificates_.flush({handshake.header.pid, handshake.header.tid}, handshake.ssl, out);
  out.emplace_back(handshake_step(handshake));
}

bool Decoder::decode_certificate(std::span<const std::uint8_t> record, std::vector<Event>& out) {
  const auto part = read_fixed<mtlswatch_certificate>(record);
  const auto data = certificate_data(record, part);
  if (data) certificates_.add(part, *data, out);
  return data.has_value();
}

DecoderCounters Decoder::counters() const {
  const StreamCounters streams = streams_.counters();
  return {.records = records_,
          .records_malformed = std::accumulate(malformed_.begin(), malformed_.end(), std::uint64_t{0}),
          .malformed_by_kind = malformed_,
          .records_lost = records_lost_,
          .connections_evicted = streams.connections_evicted,
          .connections_unknown = streams.connections_unknown,
          .certificates_incomplete = certificates_.incomplete()};
}

}  // namespace mtlswatch
