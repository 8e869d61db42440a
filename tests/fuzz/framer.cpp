// SPDX-License-Identifier: Apache-2.0
// One stream cut into pieces: {flags, captured (2 bytes), uncaptured, bytes}.
#include <algorithm>
#include <cstdlib>
#include <vector>

#include "userspace/base/cursor.h"
#include "userspace/decode/request_framer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace mtlswatch;
  if (size == 0) return 0;
  const HeadParser parser({"X-SSL-Client-Verify"});
  const auto positions = bytes[0] & 1 ? RequestFramer::Positions::kTcp : RequestFramer::Positions::kUnix;
  const auto start = bytes[0] & 2 ? RequestFramer::Start::kAtRequest : RequestFramer::Start::kAtTurn;
  RequestFramer framer(parser, positions, start);
  std::vector<FramedRequest> requests;
  std::uint64_t position = bytes[0] & 4 ? 0xffffff80 : 1000;
  for (Cursor input({bytes + 1, size - 1}); input.left() >= 4;) {
    const std::uint32_t flags = *input.integer(1);
    const std::uint32_t captured = *input.integer(2), uncaptured = *input.integer(1);
    const auto data = *input.take(std::min<std::size_t>({captured, input.left(), MTLSWATCH_IO_DATA_BYTES}));
    const auto length = static_cast<std::uint32_t>(data.size()) + uncaptured;
    ByteMask mask;
    requests.clear();
    framer.feed({position, 0, length, data, (flags & 1) != 0, (flags & 2) != 0}, requests, &mask);
    if (flags & 4) framer.cut_head(requests);
    for (const FramedRequest& request : requests) {
      if (request.head.path.size() > MTLSWATCH_BACKEND_PREFIX_BYTES ||
          request.head.identity_headers.size() > kIdentityHeadersKept)
        std::abort();
    }
    position += flags & 8 ? flags : length;
  }
  return 0;
}
