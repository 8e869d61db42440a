// SPDX-License-Identifier: Apache-2.0
#include "userspace/decode/x509.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/decode/openssl_fixture.h"

namespace mtlswatch {
namespace {

using test::CertificateRequest;
using test::make_der;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(Certificate, tells_names_serial_and_validity) {
  const auto der = make_der(test::rsa_key(), {.organization = "Shop, Inc", .serial_hex = "00A1B2"});
  const Certificate certificate = parse_certificate(der);
  ASSERT_TRUE(certificate.parsed) << certificate.parse_error;
  EXPECT_EQ(certificate.subject.text, "CN=alice,O=Shop\\, Inc,C=US");
  EXPECT_EQ(certificate.issuer.text, certificate.subject.text);
  EXPECT_THAT(certificate.subject.common_name, ElementsAre("alice"));
  EXPECT_THAT(certificate.subject.organization, ElementsAre("Shop, Inc"));
  EXPECT_THAT(certificate.subject.country, ElementsAre("US"));
  EXPECT_EQ(certificate.serial_number, "A1B2");
  EXPECT_EQ(certificate.not_before_s, 1735787045);
  EXPECT_EQ(certificate.not_after_s, 4102444799);
  EXPECT_EQ(certificate.version, 3);
  EXPECT_EQ(certificate.length_bytes, der.size());
  EXPECT_EQ(certificate.sha256.size(), 64u);
}

TEST(Certificate, tells_keys_and_signatures_by_gos_names) {
  const Certificate rsa = parse_certificate(make_der(test::rsa_key(3072), {.digest = EVP_sha512()}));
  EXPECT_EQ(rsa.signature_algorithm, "SHA512-RSA");
  EXPECT_EQ(rsa.public_key_algorithm, "RSA");
  EXPECT_EQ(rsa.public_key_bits, 3072);
  EXPECT_EQ(rsa.public_key_curve, "");
  const Certificate ec = parse_certificate(make_der(test::ec_key("P-384"), {.digest = EVP_sha384()}));
  EXPECT_EQ(ec.signature_algorithm, "ECDSA-SHA384");
  EXPECT_EQ(ec.public_key_algorithm, "ECDSA");
  EXPECT_EQ(ec.public_key_curve, "P-384");
  EXPECT_EQ(ec.public_key_bits, 384);
  const Certificate edwards = parse_certificate(make_der(test::ed25519_key(), {.digest = nullptr}));
  EXPECT_EQ(edwards.signature_algorithm, "Ed25519");
  EXPECT_EQ(edwards.public_key_algorithm, "Ed25519");
}

TEST(Certificate, lists_alternative_names_in_order_and_skips_other_kinds) {
  const std::string names =
      "URI:spiffe://shop/alice,DNS:a.example,otherName:1.2.3;UTF8:x,email:a@b.c,IP:192.0.2.1,IP:2001:db8::1";
  const Certificate certificate = parse_certificate(make_der(test::ec_key(), {.alternative_names = names}));
  EXPECT_THAT(certificate.alternative_names,
              ElementsAre("spiffe://shop/alice", "a.example", "a@b.c", "192.0.2.1", "2001:db8::1"));
}

TEST(Certificate, keeps_utf8_and_escapes_control_characters) {
  const Certificate certificate = parse_certificate(make_der(test::ec_key(), {.common_name = "J\xC3\xBCrgen\nx"}));
  EXPECT_EQ(certificate.subject.text, "CN=J\xC3\xBCrgen\\0Ax,C=US");
  EXPECT_THAT(certificate.subject.common_name, ElementsAre("J\xC3\xBCrgen\nx"));
}

TEST(Certificate, writes_serials_of_any_size) {
  const auto serial = [](const char* hex) {
    return parse_certificate(make_der(test::ec_key(), {.serial_hex = hex})).serial_number;
  };
  const std::string huge(40, 'F');
  EXPECT_EQ(serial(huge.c_str()), huge);
  EXPECT_EQ(serial("0"), "0");
  EXPECT_EQ(serial("F"), "0F");  // whole bytes, as openssl and nginx print it
  EXPECT_EQ(serial("-1F"), "-1F");
}

TEST(Certificate, refuses_trailing_bytes) {
  auto der = make_der(test::ec_key());
  der.push_back(0);
  const Certificate certificate = parse_certificate(der);
  EXPECT_FALSE(certificate.parsed);
  EXPECT_THAT(certificate.parse_error, HasSubstr("1 bytes after"));
  EXPECT_EQ(certificate.sha256.size(), 64u);
  EXPECT_EQ(certificate.subject.text, "");
}

TEST(Certificate, refuses_every_cut) {
  const auto der = make_der(test::ec_key());
  for (std::size_t size = 0; size < der.size(); ++size) {
    const Certificate certificate = parse_certificate(std::span(der).first(size));
    ASSERT_FALSE(certificate.parsed) << size;
    ASSERT_NE(certificate.parse_error, "") << size;
    ASSERT_EQ(certificate.length_bytes, size);
  }
}

TEST(Certificate, survives_every_flipped_byte) {
  const auto der = make_der(test::ec_key(), {.organization = "O", .alternative_names = "DNS:a,IP:192.0.2.1"});
  for (std::size_t at = 0; at < der.size(); ++at) {
    auto flipped = der;
    flipped[at] ^= 0xff;
    const Certificate certificate = parse_certificate(flipped);
    EXPECT_NE(certificate.parsed, !certificate.parse_error.empty()) << at;
  }
}

}  // namespace
}  // namespace mtlswatch
