// SPDX-License-Identifier: Apache-2.0
// Where in a chain verification ended or failed, as the verify context tells at libssl's calls and a program's callback.
#include <cstddef>
#include <optional>

#include "tests/bpf/cores.h"

namespace mtlswatch::test {
namespace {

using VerifyDepthCore = Cores;

/// As much of an X509_STORE_CTX as is read.
struct Context {
  std::uint32_t before[2] = {};
  std::uint32_t depth = 0;
  std::int32_t error = 0;
};

constexpr std::uint64_t kLayout = std::uint64_t{offsetof(Context, depth)} << MTLSWATCH_PROBE_DEPTH_SHIFT |
                                  std::uint64_t{offsetof(Context, error)} << MTLSWATCH_PROBE_ERROR_SHIFT;

std::optional<std::uint32_t> depth_of(const mtlswatch_handshake& told) {
  return told.flags & MTLSWATCH_HANDSHAKE_DEPTH ? std::optional<std::uint32_t>(told.verify_depth) : std::nullopt;
}

TEST_F(VerifyDepthCore, tells_where_in_the_chain_verification_ended) {
  const Context context{.depth = 1, .error = 10};
  enter();
  expect_verification(kLayout);
  verify_context(&context);
  verify_result(10);
  EXPECT_EQ(depth_of(left_with(-1)), 1u);
}

TEST_F(VerifyDepthCore, tells_where_the_last_error_was_that_a_callback_let_pass) {
  const Context leaf{.depth = 0, .error = 20};
  const Context issuer{.depth = 1, .error = 10};
  const Context end{.depth = 0, .error = 10};
  enter();
  expect_verification(kLayout);
  verify_callback_set();
  verify_callback(0, &leaf);
  verify_callback(0, &issuer);
  verify_callback(1, &end);
  verify_context(&end);
  verify_result(10);
  EXPECT_EQ(depth_of(left_with(1)), 1u);
}

TEST_F(VerifyDepthCore, tells_no_depth_of_what_a_callback_that_was_not_seen_let_pass) {
  const Context end{.depth = 0, .error = 10};
  enter();
  expect_verification(kLayout);
  verify_callback_set();
  verify_context(&end);
  verify_result(10);
  EXPECT_EQ(depth_of(left_with(1)), std::nullopt);
}

TEST_F(VerifyDepthCore, tells_no_depth_of_another_error_of_another_chain_or_of_none) {
  const Context context{.depth = 1, .error = 10};
  enter();
  expect_verification(kLayout);
  verify_context(&context);
  verify_result(20);
  EXPECT_EQ(depth_of(left_with(-1)), std::nullopt);
  enter();
  expect_verification(kLayout);
  verify_callback(0, &context);  // the server's own chain
  expect_verification(kLayout);
  verify_result(10);
  EXPECT_EQ(depth_of(left_with(-1)), std::nullopt);
  const Context good{.depth = 1, .error = 0};
  enter();
  expect_verification(kLayout);
  verify_context(&good);
  verify_result(0);
  EXPECT_EQ(depth_of(left_with(1)), std::nullopt);
}

TEST_F(VerifyDepthCore, tells_no_depth_where_the_layout_is_not_known) {
  const Context context{.depth = 1, .error = 10};
  enter();
  expect_verification(kLayout);
  expect_verification(0);
  verify_context(&context);
  verify_result(10);
  EXPECT_EQ(depth_of(left_with(-1)), std::nullopt);
}

}  // namespace
}  // namespace mtlswatch::test
