// SPDX-License-Identifier: Apache-2.0
// Certificates that were parsed before: clients come again, and libcrypto takes longer over one certificate than everything
// else over a handshake. Owned by the certificate assembler.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>

#include "userspace/model/certificate.h"

namespace mtlswatch {

class CertificateCache {
 public:
  static constexpr std::size_t kCertificates = 1024;  ///< at most; full, it begins anew

  /// As parse_certificate. Valid until the next call.
  const Certificate& parse(std::span<const std::uint8_t> der);
  std::size_t size() const { return known_.size(); }

 private:
  std::unordered_map<std::string, Certificate> known_;  ///< by all their bytes
};

}  // namespace mtlswatch
