// SPDX-License-Identifier: Apache-2.0
#include "userspace/policy/claims.h"

#include <gtest/gtest.h>

namespace mtlswatch {
namespace {

TEST(Claims, header_names_fold_case_and_underscore) {
  EXPECT_EQ(fold_header_name("X_SSL_Client-Verify"), "x-ssl-client-verify");
}

TEST(Claims, every_identity_header_is_listed_and_none_is_believed) {
  RequestHead head;
  head.identity_headers = {{"X-SSL-Client-S-DN", "CN=root"}, {"SSL_CLIENT_VERIFY", "SUCCESS"}, {"X-Ours", "7"}};
  const std::vector<Claim> claims = list_claims(head);
  ASSERT_EQ(claims.size(), 3u);
  EXPECT_EQ(claims[0].kind, "subject");
  EXPECT_EQ(claims[1].kind, "verify");
  EXPECT_EQ(claims[2].kind, "other");
  for (const Claim& claim : claims) EXPECT_EQ(claim.result, "not_checked");
}

}  // namespace
}  // namespace mtlswatch
