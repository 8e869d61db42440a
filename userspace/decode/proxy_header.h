// SPDX-License-Identifier: Apache-2.0
// The header that a proxy may send before everything else: haproxy's proxy-protocol.txt, versions 1 and 2. What it says
// of the client is not read: any client can send one. Stateless.
#pragma once

#include <cstddef>
#include <string_view>

#include "userspace/decode/byte_mask.h"

namespace mtlswatch {

inline constexpr std::string_view kProxyV1 = "PROXY ";
inline constexpr std::string_view kProxyV2{"\r\n\r\n\0\r\nQUIT\n", 12};

struct ProxyHeader {
  enum class State {
    kDone,       ///< bytes: of it, with its end
    kNeedsMore,  ///< it may be one
    kNone,       ///< something else, or malformed
  };
  State state = State::kNone;
  std::size_t bytes = 0;
};

/// text: at least one byte.
ProxyHeader read_proxy_header(std::string_view text);

/// Marks what may be recorded of bytes that were read so: enough to read them so again, and no address. text begins at
/// index start of the mask's buffer.
void keep_proxy_header(std::string_view text, const ProxyHeader& header, const BufferMask& mask, std::size_t start);

}  // namespace mtlswatch
