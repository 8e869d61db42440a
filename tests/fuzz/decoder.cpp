// SPDX-License-Identifier: Apache-2.0
// Arbitrary sequences of records: the decoder must survive them, and decode a scrubbed copy to as many events.
// Input: records, each {kind, 8 bytes of fields, length of data (2 bytes), data}.
#include "userspace/decode/decoder.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "tests/unit/builders/records.h"
#include "tests/unit/decode/event_text.h"
#include "userspace/base/cursor.h"
#include "userspace/decode/scrubber.h"

namespace {

using namespace mtlswatch;

test::RawRecord io_record(std::span<const std::uint8_t> fields, std::span<const std::uint8_t> data,
                          std::uint64_t& position) {
  const std::uint32_t uncaptured = fields[4];
  auto record = test::io_record({.cookie = fields[0] % 4u,
                                 .position = position + (fields[3] == 0xff ? fields[5] : 0),
                                 .turn = fields[2],
                                 .flags = fields[1],
                                 .data = {reinterpret_cast<const char*>(data.data()), data.size()},
                                 .length = static_cast<std::uint32_t>(data.size()) + uncaptured,
                                 .witness = fields[6]});
  position += data.size() + uncaptured;
  return record;
}

test::RawRecord next_record(Cursor& input, std::uint64_t& position) {
  const std::uint32_t kind = input.integer(1).value_or(0);
  const auto fields = input.take(8);
  const auto data_bytes = input.integer(2);
  if (!fields || !data_bytes) return {};
  const auto data = *input.take(std::min<std::size_t>({*data_bytes, input.left(), MTLSWATCH_IO_DATA_BYTES}));
  const std::span<const std::uint8_t> f = *fields;
  switch (kind % 6) {
    case 0:
      return test::connection_record({.cookie = f[0] % 4u,
                                      .role = f[1],
                                      .flags = f[2],
                                      .family = f[3],
                                      .path = {reinterpret_cast<const char*>(data.data()), data.size()}});
    case 1:
      return io_record(f, data, position);
    case 2:
      return test::close_record(f[0] % 4u);
    case 3:
      return test::handshake_record({.cookie = f[0], .ssl = f[1], .flags = f[2]});
    case 4:
      return data.empty() ? test::RawRecord{}
                          : test::certificate_record(data, f[0] % data.size(), {.ssl = f[1], .index = f[2]});
    default:
      return {data.begin(), data.end()};  // not even a header
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const DecoderConfig config{.identity_headers = {"X-SSL-Client-Verify"}, .connection_limit = 3};
  Decoder direct(config), replayed(config);
  Scrubber scrubber(config);
  std::vector<Event> expected, actual;
  std::uint64_t position = 0xffffff00;
  for (Cursor input({bytes, size}); !input.done();) {
    test::RawRecord record = next_record(input, position);
    expected.clear();
    actual.clear();
    direct.decode(record, expected);
    scrubber.scrub(record);
    replayed.decode(record, actual);
    if (expected.size() != actual.size()) std::abort();
  }
  return 0;
}
