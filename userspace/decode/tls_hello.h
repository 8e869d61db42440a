// SPDX-License-Identifier: Apache-2.0
// The hellos of a TLS handshake, read from the first bytes on the wire: RFC 5246 section 7.4.1, RFC 8446 section 4.1.
// Used for the first bytes of ingress connections. Stateless.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "userspace/model/hello.h"

namespace mtlswatch {

enum class HelloState {
  kDone,
  kNeedsMore,  ///< what is there so far is filled in
  kInvalid,    ///< no such hello
};

template <typename Hello>
struct HelloParse {
  HelloState state = HelloState::kNeedsMore;
  std::size_t wire_bytes = 0;  ///< of the bytes given, those that decided: the hello's, or the front of what is none
  bool useful = false;         ///< the fixed fields are there: worth telling even if the rest never comes
  Hello hello;
};

/// bytes: TLS records from the first on (RFC 8446 section 5.1); the message may lie in several. Names that are not
/// printable ASCII are left out.
HelloParse<ClientHello> parse_client_hello(std::span<const std::uint8_t> bytes);
HelloParse<ServerHello> parse_server_hello(std::span<const std::uint8_t> bytes);

}  // namespace mtlswatch
