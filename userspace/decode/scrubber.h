// SPDX-License-Identifier: Apache-2.0
// Takes the secrets out of raw records before they are written to a recording. Owned by whoever records; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "userspace/decode/decoder.h"

namespace mtlswatch {

/// Must see every record, in order, as the decoder does. Queries, user information, values of headers that are not on
/// the decoder's allow-list, bodies, responses and everything not understood become '*'. What is left decodes to the
/// same events, but for RequestHead::query, and for the host of an absolute-form target that came in pieces (what is
/// not yet known to be no password is masked). For that, both need the same DecoderConfig.
class Scrubber {
 public:
  explicit Scrubber(const DecoderConfig& config) : streams_(config.identity_headers, config.connection_limit) {}

  /// Rewrites the record in place. Of a malformed record the payload becomes '*'.
  void scrub(std::span<std::uint8_t> record);

 private:
  void scrub_io(std::span<std::uint8_t> record);

  StreamReader streams_;
  std::vector<Event> ignored_;  ///< reused
};

}  // namespace mtlswatch
