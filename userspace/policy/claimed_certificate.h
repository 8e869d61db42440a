// SPDX-License-Identifier: Apache-2.0
// A certificate, or facts of one, as headers write them, held against the certificate of the handshake.
#pragma once

#include <string>

#include "userspace/model/certificate.h"
#include "userspace/policy/claimed_name.h"

namespace mtlswatch {

/// Hexadecimal in either case, with or without colons, "0x" and leading zeros; or decimal.
Comparison compare_serial(const std::string& claimed, const Certificate& certificate);
/// SHA-1 or SHA-256 in hexadecimal, told apart by length.
Comparison compare_fingerprint(const std::string& claimed, const Certificate& certificate);
/// "Nov 23 09:15:02 2026 GMT", "261123091502Z", "20261123091502Z" or RFC 3339 in UTC.
Comparison compare_time(const std::string& claimed, std::int64_t certified_s);
/// PEM, PEM with %XX, PEM with blanks for line ends, bare base64 of the DER, or RFC 9440 (":base64:").
Comparison compare_encoded(const std::string& claimed, const Certificate& certificate);
/// X-Forwarded-Client-Cert: Hash, Cert, Subject, URI and DNS of its elements. Several elements that disagree
/// (each proxy of a chain appends its own) are not comparable.
Comparison compare_forwarded(const std::string& claimed, const Certificate& certificate);

}  // namespace mtlswatch
