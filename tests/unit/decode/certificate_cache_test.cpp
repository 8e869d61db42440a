// SPDX-License-Identifier: Apache-2.0
#include "userspace/decode/certificate_cache.h"

#include <gtest/gtest.h>

#include "tests/unit/decode/openssl_fixture.h"
#include "userspace/decode/x509.h"

namespace mtlswatch {
namespace {

using test::make_der;

TEST(CertificateCache, says_of_known_bytes_what_parsing_says) {
  const auto der = make_der(test::ec_key(), {.common_name = "alice"});
  CertificateCache cache;
  EXPECT_EQ(cache.parse(der).sha256, parse_certificate(der).sha256);
  EXPECT_EQ(cache.parse(der).subject.text, parse_certificate(der).subject.text);
  EXPECT_EQ(cache.size(), 1u);
}

TEST(CertificateCache, tells_certificates_apart_that_differ_in_their_last_byte) {
  auto der = make_der(test::ec_key(), {.common_name = "alice"});
  CertificateCache cache;
  const std::string first = cache.parse(der).sha256;
  der.back() ^= 1;
  EXPECT_NE(cache.parse(der).sha256, first);
}

TEST(CertificateCache, begins_anew_when_it_is_full) {
  CertificateCache cache;
  std::vector<std::uint8_t> der(4);
  for (std::size_t i = 0; i < CertificateCache::kCertificates + 1; ++i) {
    der[0] = static_cast<std::uint8_t>(i);
    der[1] = static_cast<std::uint8_t>(i >> 8);
    EXPECT_FALSE(cache.parse(der).parsed);
  }
  EXPECT_EQ(cache.size(), 1u);
}

}  // namespace
}  // namespace mtlswatch
