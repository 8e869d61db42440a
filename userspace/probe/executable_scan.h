// SPDX-License-Identifier: Apache-2.0
// Which TLS implementation an executable carries inside itself. Used by discovery for processes that listen and map no
// libssl; the file may belong to a hostile container, so reads are bounded and it is never mapped.
#pragma once

#include <string>

#include "userspace/base/result.h"

namespace mtlswatch {

enum class EmbeddedTls {
  kNone,
  kOpenssl,    ///< linked in, with a symbol table that names its functions: can be probed
  kNamelessOpenssl,  ///< linked in, and stripped
  kGo,         ///< a Go program: crypto/tls
  kBoringssl,  ///< OpenSSL's names, other insides and no stable verify call
  kRustls,
};

/// Reads section names, then string tables and .rodata up to a limit. Errors: not a little-endian ELF64 file.
Result<EmbeddedTls> find_embedded_tls(const std::string& path);

/// Why nothing can be seen of its handshakes; empty for kNone and kOpenssl.
std::string blindness_reason(EmbeddedTls tls);

}  // namespace mtlswatch
