// SPDX-License-Identifier: Apache-2.0
// Encoded sessions, made by OpenSSL's own handshakes: what of them is told, and that their secret never is.
#include <openssl/ssl.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>

#include "tests/bpf/cores.h"
#include "tests/unit/decode/openssl_fixture.h"

namespace mtlswatch::test {
namespace {

using Session = std::unique_ptr<SSL_SESSION, OpensslFree>;

std::string encoded(SSL_SESSION* session) {
  std::string der(static_cast<std::size_t>(i2d_SSL_SESSION(session, nullptr)), '\0');
  auto* end = reinterpret_cast<unsigned char*>(der.data());
  i2d_SSL_SESSION(session, &end);
  return der;
}

std::string secret_of(const SSL_SESSION* session) {
  std::string secret(SSL_SESSION_get_master_key(session, nullptr, 0), '\0');
  SSL_SESSION_get_master_key(session, reinterpret_cast<unsigned char*>(secret.data()), secret.size());
  return secret;
}

/// A session that holds a peer's certificate: a client's, which has the same fields as a server's.
Session session_of(int version) {
  Handshake handshake(version);
  handshake.run();
  return std::move(handshake.session);
}

class SessionCore : public Cores, public testing::WithParamInterface<int> {
 protected:
  Records offer(const std::string& der) { return offer(der, der.size()); }
  Records offer(const std::string& der, std::uint64_t length) {
    enter();
    const char* at = der.data();
    session_offered(&at, length);
    return take();
  }
};

TEST_P(SessionCore, tells_certificate_verify_result_and_server_name) {
  const Session session = session_of(GetParam());
  ASSERT_NE(session, nullptr);
  SSL_SESSION_set1_hostname(session.get(), "Shop.Example");
  const Records records = offer(encoded(session.get()));
  ASSERT_EQ(records.size(), 2u);
  const auto told = records[0].as<mtlswatch_session>();
  EXPECT_EQ(told.change, MTLSWATCH_SESSION_OFFERED);
  EXPECT_EQ(told.flags, MTLSWATCH_SESSION_COMPLETE | MTLSWATCH_SESSION_CERTIFICATE);
  EXPECT_EQ(told.verify_code, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT);
  EXPECT_EQ(std::string(told.server_name, told.server_name_bytes), "Shop.Example");
  EXPECT_EQ(records[1].as<mtlswatch_certificate>().index, MTLSWATCH_CERTIFICATE_OF_SESSION);
  const auto certificate = der_of(SSL_SESSION_get0_peer(session.get()));
  EXPECT_EQ(records[1].captured(), std::string(certificate.begin(), certificate.end()));
}

TEST_P(SessionCore, never_lets_the_master_secret_out) {
  const Session session = session_of(GetParam());
  ASSERT_NE(session, nullptr);
  const std::string secret = secret_of(session.get()), der = encoded(session.get());
  ASSERT_GE(secret.size(), 32u);
  ASSERT_NE(der.find(secret), std::string::npos);
  const std::string part = secret.substr(0, 8);
  for (const Record& record : offer(der)) {
    const std::string bytes(record.bytes().begin(), record.bytes().end());
    EXPECT_EQ(bytes.find(part), std::string::npos);
  }
}

TEST_P(SessionCore, does_not_call_complete_what_is_cut) {
  const Session session = session_of(GetParam());
  ASSERT_NE(session, nullptr);
  const std::string der = encoded(session.get());
  for (const std::size_t length : {std::size_t{0}, std::size_t{1}, std::size_t{5}, der.size() / 2, der.size() - 1}) {
    const Records records = offer(der, length);
    ASSERT_FALSE(records.empty());
    EXPECT_EQ(records[0].as<mtlswatch_session>().flags & MTLSWATCH_SESSION_COMPLETE, 0u) << length;
  }
}

TEST_P(SessionCore, ends_on_damaged_sessions) {
  const Session session = session_of(GetParam());
  ASSERT_NE(session, nullptr);
  const std::string der = encoded(session.get());
  std::mt19937 random(20260101);
  for (int round = 0; round < 300; ++round) {
    std::string damaged = der;
    for (int count = 0; count < 4; ++count) damaged[random() % 64] = static_cast<char>(random());
    for (const Record& record : offer(damaged)) {
      const auto told = record.as<mtlswatch_session>();
      if (record.kind() == MTLSWATCH_KIND_SESSION) {
        EXPECT_LT(told.server_name_bytes, MTLSWATCH_SERVER_NAME_BYTES);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Versions, SessionCore, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& version) { return version.param == TLS1_2_VERSION ? "tls_1_2" : "tls_1_3"; });

TEST_F(SessionCore, says_nothing_outside_of_a_handshake_and_after_the_server_has_answered) {
  const char* at = "x";
  session_offered(&at, 1);
  EXPECT_TRUE(take().empty());
}

}  // namespace
}  // namespace mtlswatch::test
