// SPDX-License-Identifier: Apache-2.0
// The kernel's records -> events: the whole decode stage behind one call. Owned by the event loop (or a replay); one
// thread. Deterministic: the same records give the same events.
#pragma once

#include <mtlswatch/event.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "userspace/decode/certificate_assembler.h"
#include "userspace/decode/client_content.h"
#include "userspace/decode/stream_reader.h"
#include "userspace/model/events.h"

namespace mtlswatch {

struct DecoderConfig {
  std::vector<std::string> identity_headers;  ///< names to keep; case and '-' / '_' do not matter
  std::size_t connection_limit = 65536;       ///< connections remembered between records
  bool keep_certificates = false;             ///< whole, besides what is read from them
};

/// What was dropped or could not be told. All count since the start.
struct DecoderCounters {
  std::uint64_t records = 0;
  std::uint64_t records_malformed = 0;        ///< unknown kind, impossible size or value: nothing came of them
  std::vector<std::uint64_t> malformed_by_kind;  ///< the same by enum mtlswatch_kind; 0: of no kind that is known
  std::uint64_t records_lost = 0;             ///< as the kernel side reports
  std::uint64_t connections_evicted = 0;      ///< the table was full: the longest unused was forgotten
  std::uint64_t connections_unknown = 0;      ///< bytes on a connection that was not announced, or evicted
  std::uint64_t certificates_incomplete = 0;  ///< told without their contents
};

class Decoder {
 public:
  explicit Decoder(const DecoderConfig& config)
      : streams_(config.identity_headers, config.connection_limit), certificates_(config.keep_certificates) {}

  /// Appends what one raw record says to out, which is not cleared. A malformed record is counted and says nothing; a
  /// LISTENER record says nothing here (decode_listener). If records were lost before this one, RecordsLost is first.
  void decode(std::span<const std::uint8_t> record, std::vector<Event>& out);

  /// From the next certificate on.
  void keep_certificates(bool keep) { certificates_.keep(keep); }

  /// From the next request head on: what the content witness compares.
  void print_heads(bool print) { streams_.print_heads(print); }

  DecoderCounters counters() const;

 private:
  bool decode_kind(const mtlswatch_header& header, std::span<const std::uint8_t> record, std::vector<Event>& out);
  bool decode_connection(std::span<const std::uint8_t> record, std::vector<Event>& out);
  bool decode_io(std::span<const std::uint8_t> record, std::vector<Event>& out);
  bool decode_certificate(std::span<const std::uint8_t> record, std::vector<Event>& out);
  bool decode_content(std::span<const std::uint8_t> record, std::vector<Event>& out);
  void decode_close(std::span<const std::uint8_t> record, std::vector<Event>& out);
  void decode_handshake(std::span<const std::uint8_t> record, std::vector<Event>& out);
  void note_losses(const mtlswatch_header& header, std::vector<Event>& out);

  StreamReader streams_;
  CertificateAssembler certificates_;
  ClientContents contents_;
  std::uint64_t previous_ns_ = 0;  ///< time of the previous record
  std::uint64_t records_lost_ = 0;
  std::uint64_t records_ = 0;
  std::vector<std::uint64_t> malformed_ = std::vector<std::uint64_t>(MTLSWATCH_KIND_COUNT);  ///< by kind
};

}  // namespace mtlswatch
