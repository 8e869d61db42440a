// SPDX-License-Identifier: Apache-2.0
// Distinguished names as headers write them: RFC 2253 and RFC 4514 ("CN=alice,O=Example", either order), and OpenSSL's
// old one-line form ("/O=Example/CN=alice").
#pragma once

#include <string>
#include <string_view>

namespace mtlswatch {

enum class Comparison {
  kMatches,
  kContradicts,
  kNotComparable,  ///< reported, never accused
};

/// A name claimed in a header against the RFC 2253 text of a certificate's. Attribute types fold case and synonyms
/// ("E" is "emailAddress"); values are compared exactly, after unescaping.
Comparison compare_names(std::string_view claimed, std::string_view certified);

}  // namespace mtlswatch
