// SPDX-License-Identifier: Apache-2.0
#include "userspace/decode/certificate_cache.h"

#include "userspace/decode/x509.h"

namespace mtlswatch {

const Certificate& CertificateCache::parse(std::span<const std::uint8_t> der) {
  std::string bytes(der.begin(), der.end());
  const auto known = known_.find(bytes);
  if (known != known_.end()) return known->second;
  if (known_.size() == kCertificates) known_.clear();
  return known_.emplace(std::move(bytes), parse_certificate(der)).first->second;
}

}  // namespace mtlswatch
