// SPDX-License-Identifier: Apache-2.0
// DER -> Certificate with OpenSSL's libcrypto. Used by the certificate assembler.
#pragma once

#include <cstdint>
#include <span>

#include "userspace/model/certificate.h"

namespace mtlswatch {

/// Reads one certificate. Anything but exactly one certificate is parsed = false with the reason; length and sha256
/// are filled in any case. Names are RFC 2253 with UTF-8 kept and control characters escaped; alternative names of
/// other kinds than DNS, URI, e-mail and IP are skipped.
Certificate parse_certificate(std::span<const std::uint8_t> der);

}  // namespace mtlswatch
