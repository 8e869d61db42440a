// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "userspace/model/hello.h"

namespace mtlswatch {
namespace {

TEST(HelloNames, name_tls_versions_and_nothing_else) {
  EXPECT_EQ(tls_version_text(0x0301), "1.0");
  EXPECT_EQ(tls_version_text(0x0303), "1.2");
  EXPECT_EQ(tls_version_text(0x0304), "1.3");
  EXPECT_EQ(tls_version_text(0x0300), "");
  EXPECT_EQ(tls_version_text(0x0305), "");
  EXPECT_EQ(tls_version_text(0), "");
}

TEST(HelloNames, name_cipher_suites_and_fall_back_to_their_number) {
  EXPECT_EQ(cipher_suite_text(0x1302), "TLS_AES_256_GCM_SHA384");
  EXPECT_EQ(cipher_suite_text(0xC02F), "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256");
  EXPECT_EQ(cipher_suite_text(0x13F0), "0x13F0");
}

TEST(HelloNames, name_groups_and_fall_back_to_their_number) {
  EXPECT_EQ(group_text(29), "x25519");
  EXPECT_EQ(group_text(23), "secp256r1");
  EXPECT_EQ(group_text(0x11EC), "X25519MLKEM768");
  EXPECT_EQ(group_text(0x0A0A), "0x0A0A");
}

}  // namespace
}  // namespace mtlswatch
