// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/unit/builders/records.h"
#include "tests/unit/decode/openssl_fixture.h"
#include "userspace/decode/decoder.h"

namespace mtlswatch {
namespace {

/// Parts of a certificate through the decoder, as the kernel side sends them.
class CertificateAssemblerTest : public testing::Test {
 protected:
  void part(std::size_t offset, const test::CertificateFields& fields = {}) {
    decoder_.decode(test::certificate_record(der_, offset, fields), events_);
  }
  const PeerCertificate& certificate(std::size_t at = 0) { return std::get<PeerCertificate>(events_.at(at)); }

  std::vector<std::uint8_t> der_ =
      test::make_der(test::ec_key(), {.organization = "", .alternative_names = "DNS:" + std::string(5000, 'a')});
  Decoder decoder_{DecoderConfig{}};
  std::vector<Event> events_;
};

TEST_F(CertificateAssemblerTest, joins_the_parts) {
  part(0);
  part(2048);
  EXPECT_TRUE(events_.empty());
  part(4096);
  ASSERT_EQ(events_.size(), 1u);
  EXPECT_TRUE(certificate().certificate.parsed);
  EXPECT_EQ(certificate().certificate.length_bytes, der_.size());
  EXPECT_EQ(certificate().id, 1u);
  EXPECT_EQ(certificate().ssl, 0x5510u);
}

TEST_F(CertificateAssemblerTest, keeps_threads_and_chain_places_apart) {
  part(0);
  part(0, {.index = 1});
  part(0, {.tid = 12});
  for (const std::size_t offset : {2048, 4096}) {
    part(offset);
    part(offset, {.index = 1});
    part(offset, {.tid = 12});
  }
  ASSERT_EQ(events_.size(), 3u);
  EXPECT_TRUE(certificate(0).certificate.parsed && certificate(1).certificate.parsed &&
              certificate(2).certificate.parsed);
  EXPECT_EQ(certificate(1).index, 1u);
  EXPECT_EQ(certificate(2).actor.tid, 12u);
}

TEST_F(CertificateAssemblerTest, says_that_a_part_is_missing) {
  part(0);
  part(4096);
  ASSERT_EQ(events_.size(), 1u);
  EXPECT_FALSE(certificate().certificate.parsed);
  EXPECT_EQ(certificate().certificate.sha256, "");
  EXPECT_EQ(certificate().certificate.length_bytes, der_.size());
  EXPECT_NE(certificate().certificate.parse_error, "");
  EXPECT_EQ(decoder_.counters().certificates_incomplete, 1u);
}

TEST_F(CertificateAssemblerTest, tells_an_unfinished_one_before_its_handshake_step) {
  part(2048);
  decoder_.decode(test::handshake_record({.ssl = 0x9999}), events_);
  EXPECT_EQ(events_.size(), 1u);
  decoder_.decode(test::handshake_record(), events_);
  ASSERT_EQ(events_.size(), 3u);
  EXPECT_FALSE(certificate(1).certificate.parsed);
  EXPECT_TRUE(std::holds_alternative<HandshakeStep>(events_[2]));
}

TEST_F(CertificateAssemblerTest, tells_one_that_could_not_be_read) {
  auto record = test::certificate_record(der_, 0);
  mtlswatch_certificate fields;
  std::memcpy(&fields, record.data(), sizeof fields);
  fields.captured_bytes = 0;
  fields.length = 100000;
  std::memcpy(record.data(), &fields, sizeof fields);
  decoder_.decode(record, events_);
  ASSERT_EQ(events_.size(), 1u);
  EXPECT_EQ(certificate().certificate.length_bytes, 100000u);
  EXPECT_FALSE(certificate().certificate.parsed);
}

TEST_F(CertificateAssemblerTest, tells_the_oldest_when_too_many_are_unfinished) {
  for (std::uint32_t tid = 0; tid < CertificateAssembler::kAssemblies; ++tid) part(0, {.tid = 100 + tid});
  EXPECT_TRUE(events_.empty());
  part(0, {.tid = 1});
  ASSERT_EQ(events_.size(), 1u);
  EXPECT_EQ(certificate().actor.tid, 100u);
}

}  // namespace
}  // namespace mtlswatch
