// SPDX-License-Identifier: Apache-2.0
// Request heads as the content witness compares them: digests and fingerprints, nothing of their text.
#pragma once

#include <cstdint>
#include <vector>

namespace mtlswatch {

/// Fingerprints of text, letters and digits alone, folded: two texts that have kGramCertain of them in a row in common have
/// a fingerprint of them in common (winnowing: Schleimer, Wilkerson, Aiken 2003). The reverse may be chance.
using Gram = std::uint32_t;
inline constexpr std::size_t kGramCertain = 12;

/// One header field.
struct FieldPrint {
  std::uint64_t digest = 0;  ///< of name and value
  bool is_passed_on = false;  ///< no field that proxies set, change or keep to themselves
  std::vector<Gram> grams;  ///< of a value that by its meaning and length is a client's or a request's own; else empty
};

/// A head that leaves no doubt how anybody reads it (RFC 9112 without its tolerance), each field once.
struct HeadPrint {
  std::uint64_t method = 0;  ///< digest
  bool is_chunked = false;  ///< or another transfer coding: where its body ends, its head does not tell
  std::uint64_t body_bytes = 0;
  std::vector<FieldPrint> fields;
};

}  // namespace mtlswatch
