// SPDX-License-Identifier: Apache-2.0
// Both hellos from arbitrary bytes; what is decided of a prefix must not be taken back.
#include <cstdlib>

#include "userspace/decode/tls_hello.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace mtlswatch;
  const std::span<const std::uint8_t> input(bytes, size);
  const auto client = parse_client_hello(input);
  const auto server = parse_server_hello(input);
  if (client.wire_bytes > size || server.wire_bytes > size) std::abort();
  const auto half = parse_client_hello(input.first(size / 2));
  if (half.state != HelloState::kNeedsMore && half.state != client.state) std::abort();
  if (half.state == HelloState::kDone && half.hello.server_name != client.hello.server_name) std::abort();
  return 0;
}
