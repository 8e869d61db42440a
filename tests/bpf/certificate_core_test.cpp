// SPDX-License-Identifier: Apache-2.0
// Certificates as the peer sends them, of any length it likes and wherever its bytes may lie.
#include <string>

#include "tests/bpf/cores.h"

namespace mtlswatch::test {
namespace {

/// DER of so many bytes, no two parts alike.
std::string der_of(std::size_t bytes) {
  std::string der(bytes, '\0');
  for (std::size_t index = 0; index < bytes; ++index) der[index] = static_cast<char>(1 + (index ^ index >> 8) % 251);
  return der;
}

class CertificateCore : public Cores {
 protected:
  /// What d2i_X509(..., &der, length) makes of it inside a handshake.
  Records parts_of(const char* der, std::uint64_t length) {
    enter();
    certificate(&der, length);
    return take();
  }
};

class CopiedCertificate : public CertificateCore, public testing::WithParamInterface<std::size_t> {};

TEST_P(CopiedCertificate, arrives_in_parts_that_join_to_the_whole) {
  const std::string der = der_of(GetParam());
  const Records parts = parts_of(der.data(), der.size());
  ASSERT_EQ(parts.size(), (der.size() + 2047) / 2048);
  std::string joined;
  for (const Record& part : parts) {
    const auto fields = part.as<mtlswatch_certificate>();
    EXPECT_EQ(fields.header.kind, MTLSWATCH_KIND_CERTIFICATE);
    EXPECT_EQ(fields.header.size, part.bytes().size());
    EXPECT_EQ(fields.length, der.size());
    EXPECT_EQ(fields.offset, joined.size());
    EXPECT_EQ(fields.index, 0u);
    EXPECT_EQ(fields.ssl, kSession);
    joined += part.captured();
  }
  EXPECT_TRUE(joined == der);
  EXPECT_EQ(failures(MTLSWATCH_FAILURE_READ_CERTIFICATE), 0u);
}

INSTANTIATE_TEST_SUITE_P(Bytes, CopiedCertificate, testing::Values(1, 2047, 2048, 2049, 4096, 16383, 16384));

class TooLargeCertificate : public CertificateCore, public testing::WithParamInterface<std::uint64_t> {};

TEST_P(TooLargeCertificate, tells_its_length_and_nothing_else) {
  const std::string der = der_of(16385);
  const Records parts = parts_of(der.data(), GetParam());
  ASSERT_EQ(parts.size(), 1u);
  const auto fields = parts[0].as<mtlswatch_certificate>();
  EXPECT_EQ(fields.length, GetParam() > 0xffffffff ? 0xffffffff : GetParam());
  EXPECT_EQ(fields.offset, 0u);
  EXPECT_EQ(fields.captured_bytes, 0u);
  EXPECT_EQ(parts[0].behind_captured().size(), 2048u);
  for (const std::uint8_t byte : parts[0].behind_captured()) ASSERT_EQ(byte, 0);
}

INSTANTIATE_TEST_SUITE_P(Bytes, TooLargeCertificate,
                         testing::Values(16385, 1ull << 31, (1ull << 32) - 1, 1ull << 32, (1ull << 32) + 5,
                                         static_cast<std::uint64_t>(-1)));

TEST_F(CertificateCore, tells_an_empty_one) {
  const Records parts = parts_of("", 0);
  ASSERT_EQ(parts.size(), 1u);
  EXPECT_EQ(parts[0].as<mtlswatch_certificate>().length, 0u);
  EXPECT_EQ(parts[0].as<mtlswatch_certificate>().captured_bytes, 0u);
  EXPECT_EQ(failures(MTLSWATCH_FAILURE_READ_CERTIFICATE), 0u);
}

TEST_F(CertificateCore, tells_the_length_of_one_that_it_cannot_read) {
  const Records parts = parts_of(reinterpret_cast<const char*>(0xdead0000dead), 2049);
  ASSERT_EQ(parts.size(), 2u);
  for (const Record& part : parts) {
    EXPECT_EQ(part.as<mtlswatch_certificate>().length, 2049u);
    EXPECT_EQ(part.captured(), "");
  }
  EXPECT_EQ(failures(MTLSWATCH_FAILURE_READ_CERTIFICATE), 2u);
}

TEST_F(CertificateCore, tells_the_length_of_one_whose_pointer_it_cannot_read) {
  enter();
  certificate(nullptr, 100);
  const Records parts = take();
  ASSERT_EQ(parts.size(), 1u);
  EXPECT_EQ(parts[0].as<mtlswatch_certificate>().length, 100u);
  EXPECT_EQ(parts[0].captured(), "");
  EXPECT_GE(failures(MTLSWATCH_FAILURE_READ_CERTIFICATE), 1u);
}

TEST_F(CertificateCore, gives_whole_parts_only_where_memory_ends_within_it) {
  const EdgeOfMemory memory;
  const Records parts = parts_of(memory.last(3000), 5000);
  ASSERT_EQ(parts.size(), 3u);
  EXPECT_EQ(parts[0].captured(), std::string(2048, 'e'));
  EXPECT_EQ(parts[1].captured(), "");
  EXPECT_EQ(parts[2].captured(), "");
  for (const std::uint8_t byte : parts[1].behind_captured()) ASSERT_EQ(byte, 0);
  EXPECT_EQ(failures(MTLSWATCH_FAILURE_READ_CERTIFICATE), 2u);
}

TEST_F(CertificateCore, copies_the_first_eight_of_a_chain_and_counts_the_others) {
  const std::string der = der_of(100);
  const char* in = der.data();
  enter();
  for (int index = 0; index < 10; ++index, ++in) certificate(&in, der.size() - index);
  leave(1);
  const Records records = take();
  ASSERT_EQ(records.size(), 9u);
  for (std::uint32_t index = 0; index < 8; ++index) {
    EXPECT_EQ(records[index].as<mtlswatch_certificate>().index, index);
    EXPECT_EQ(records[index].captured(), der.substr(index));
  }
  EXPECT_EQ(records[8].as<mtlswatch_handshake>().certificates, 10u);
}

TEST_F(CertificateCore, takes_a_certificate_once_that_two_probes_see) {
  const std::string der = der_of(100);
  const char* in = der.data();
  enter();
  certificate(&in, der.size());
  certificate(&in, der.size());
  leave(1);
  const Records records = take();
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[1].as<mtlswatch_handshake>().certificates, 1u);
}

TEST_F(CertificateCore, begins_a_new_chain_with_each_handshake) {
  const std::string der = der_of(100);
  parts_of(der.data(), der.size());
  leave(1);
  take();
  const Records parts = parts_of(der.data(), der.size());
  ASSERT_EQ(parts.size(), 1u);
  EXPECT_EQ(parts[0].as<mtlswatch_certificate>().index, 0u);
}

// Post-handshake authentication and renegotiation. But a call that began before its process was observed is none.
TEST_F(CertificateCore, tells_of_one_outside_a_handshake_once_something_was_received) {
  const std::string der = der_of(100);
  const char* in = der.data();
  observe();
  certificate(&in, der.size());
  EXPECT_EQ(take().size(), 0u);
  receive_outside(7);
  certificate(&in, der.size());
  const Records told = take();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].as<mtlswatch_certificate>().ssl, 0u);
  EXPECT_EQ(told[0].captured(), "");
}

}  // namespace
}  // namespace mtlswatch::test
