// SPDX-License-Identifier: Apache-2.0
// A uwsgi packet from arbitrary bytes, whole and cut; what was masked for a recording must read the same but for queries.
#include <algorithm>
#include <cstdlib>
#include <string>

#include "tests/unit/decode/event_text.h"
#include "userspace/decode/head_parser.h"
#include "userspace/decode/uwsgi_head.h"

namespace {

std::string text_of(const mtlswatch::ParsedHead& parsed) {
  return mtlswatch::test::text_of(parsed.head, false) + std::to_string(static_cast<int>(parsed.body.kind)) + " " +
         std::to_string(parsed.body.length_bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace mtlswatch;
  static const HeaderFields fields({"X-SSL-Client-Verify", "SSL_CLIENT_S_DN"});
  const std::string input(reinterpret_cast<const char*>(bytes), std::min<std::size_t>(size, MTLSWATCH_IO_DATA_BYTES));
  const UwsgiPacket packet = read_uwsgi_packet(input), half = read_uwsgi_packet(input.substr(0, input.size() / 2));
  if (packet.there > input.size() || packet.there > packet.size) std::abort();
  if (half.state != UwsgiState::kNeedsMore && half.state != packet.state) std::abort();
  std::string masked = input;
  ByteMask mask;
  keep_uwsgi_head(fields, input, BufferMask(&mask, 0, 0));
  mask.apply({reinterpret_cast<std::uint8_t*>(masked.data()), masked.size()});
  if (text_of(parse_uwsgi_head(fields, input)) != text_of(parse_uwsgi_head(fields, masked))) std::abort();
  return 0;
}
