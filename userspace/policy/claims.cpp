// SPDX-License-Identifier: Apache-2.0
#include "userspace/policy/claims.h"

#include <array>

namespace mtlswatch {
namespace {

struct HeaderKind {
  const char* name;  ///< folded
  const char* kind;
};

constexpr std::array kKinds = {
    HeaderKind{"x-ssl-client-subject", "subject"},
    HeaderKind{"x-ssl-client-issuer", "issuer"},
    HeaderKind{"x-ssl-client-verify", "verify"},
    HeaderKind{"x-ssl-client-serial", "serial"},
    HeaderKind{"x-ssl-client-not-before", "not_before"},
    HeaderKind{"x-ssl-client-not-after", "not_after"},
    HeaderKind{"x-ssl-client-s-dn", "subject"},
    HeaderKind{"x-ssl-client-i-dn", "issuer"},
    HeaderKind{"x-ssl-client-cn", "common_name"},
    HeaderKind{"x-ssl-client-cert", "certificate"},
    HeaderKind{"x-ssl-client-fingerprint", "fingerprint"},
    HeaderKind{"x-client-cert", "certificate"},
    HeaderKind{"client-cert", "certificate"},  // RFC 9440
    HeaderKind{"x-forwarded-client-cert", "xfcc"},
    HeaderKind{"ssl-client-s-dn", "subject"},
    HeaderKind{"ssl-client-i-dn", "issuer"},
    HeaderKind{"ssl-client-verify", "verify"},
    HeaderKind{"ssl-client-serial", "serial"},
    HeaderKind{"ssl-client-m-serial", "serial"},
    HeaderKind{"ssl-client-cert", "certificate"},
    HeaderKind{"ssl-client-fingerprint", "fingerprint"},
    HeaderKind{"ssl-client-s-dn-cn", "common_name"},
};

}  // namespace

const std::vector<std::string>& default_identity_headers() {
  static const std::vector<std::string> kNames = [] {
    std::vector<std::string> names;
    for (const HeaderKind& row : kKinds) names.emplace_back(row.name);
    return names;
  }();
  return kNames;
}

std::string fold_header_name(const std::string& name) {
  std::string folded = name;
  for (char& c : folded) {
    if (c == '_') c = '-';
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return folded;
}

std::vector<Claim> list_claims(const RequestHead& head) {
  std::vector<Claim> claims;
  claims.reserve(head.identity_headers.size());
  for (const HeaderField& field : head.identity_headers) {
    const std::string folded = fold_header_name(field.name);
    Claim claim{field.name, "other", field.value, "not_checked"};
    for (const HeaderKind& row : kKinds) {
      if (folded == row.name) claim.kind = row.kind;
    }
    claims.push_back(std::move(claim));
  }
  return claims;
}

}  // namespace mtlswatch
