// SPDX-License-Identifier: Apache-2.0
// Where a TLS library's calls are not to be found as calls of imported functions.
#include <gmock/gmock.h>

#include "tests/unit/probe/library_plan.h"

namespace mtlswatch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

TEST(LinkedIn, takes_only_the_calls_of_libssls_own_functions_where_everything_is_linked_in) {
  const auto plan = plan_of(IMAGE_DEFINITIONS);
  for (const UnplacedSymbol& one : plan.unplaced) EXPECT_GE(one.purpose, ProbePurpose::kSessionOffered) << one.symbol;
  EXPECT_THAT(instructions_of(plan, ProbePurpose::kHandshakeEntry), ElementsAre("endbr64"));
  EXPECT_THAT(instructions_of(plan, ProbePurpose::kErrorLegacy), ElementsAre(StartsWith("call ")));
  const auto certificate = points_of(plan, ProbePurpose::kCertificate);
  ASSERT_EQ(certificate.size(), 1U) << "not the one in ERR_put_error";
  EXPECT_THAT(certificate[0].disassembly, StartsWith("call "));
  EXPECT_EQ(certificate[0].placement, ProbePlacement::kCallSite);
  const auto result = points_of(plan, ProbePurpose::kVerifyResult);
  ASSERT_EQ(result.size(), 1U);
  EXPECT_EQ(result[0].placement, ProbePlacement::kAfterCall);
  EXPECT_EQ(result[0].disassembly, "push r10");
  EXPECT_EQ(missing_essentials(plan), "");
}

TEST(LinkedIn, reads_a_verifications_context_as_the_librarys_own_accessors_do) {
  EXPECT_EQ(plan_of(IMAGE_DEFINITIONS).layout.error, 0xb0);
  EXPECT_EQ(plan_of(IMAGE_DEFINITIONS).layout.error_depth, 0xac);
  EXPECT_EQ(plan_of(IMAGE_PLT).layout.error, 0);
  EXPECT_EQ(plan_of(IMAGE_PLT).layout.error_depth, 0);
}

TEST(LinkedIn, is_blind_where_libssl_is_linked_in_and_its_own_functions_have_no_names) {
  const auto plan = plan_of(IMAGE_STRIPPED);
  EXPECT_THAT(points_of(plan, ProbePurpose::kCertificate), IsEmpty());
  EXPECT_THAT(reasons_of(plan, ProbePurpose::kCertificate), ElementsAre(HasSubstr("tls_process_client_certificate")));
  EXPECT_THAT(missing_essentials(plan), HasSubstr("d2i_X509"));
}

TEST(LinkedIn, sends_to_the_definition_of_a_function_that_may_be_called_through_a_register) {
  const auto plan = plan_of(IMAGE_REGISTER);
  EXPECT_THAT(reasons_of(plan, ProbePurpose::kCertificate), ElementsAre(HasSubstr("through a register")));
  EXPECT_THAT(purposes_elsewhere(plan), ElementsAre(ProbePurpose::kCertificate));
}

TEST(LinkedIn, probes_definitions_where_the_return_address_is_on_top_of_the_stack) {
  const auto plan = analyse_definitions(IMAGE_DEFINITIONS, {ProbePurpose::kCertificate, ProbePurpose::kVerifyResult});
  ASSERT_TRUE(plan);
  EXPECT_THAT(instructions_of(*plan, ProbePurpose::kCertificate), ElementsAre("mov rcx, rdx"));
  EXPECT_THAT(instructions_of(*plan, ProbePurpose::kVerifyResult), ElementsAre("mov eax, dword ptr [rdi + 0xb0]"));
  EXPECT_EQ(plan->points[0].placement, ProbePlacement::kFunctionEntry);
  EXPECT_EQ(plan->points[1].placement, ProbePlacement::kFunctionReturn);
  EXPECT_THAT(points_of(*plan, ProbePurpose::kErrorLegacy), IsEmpty()) << "nobody asked for it";
}

TEST(LinkedIn, probes_the_one_stub_where_there_are_many_call_sites) {
  const auto points = points_of(plan_of(IMAGE_MANY_CALLS), ProbePurpose::kErrorLegacy);
  ASSERT_EQ(points.size(), 1U);
  EXPECT_EQ(points[0].placement, ProbePlacement::kStub);
  EXPECT_THAT(points[0].disassembly, HasSubstr("jmp"));
}

TEST(LinkedIn, refuses_boringssl_which_decodes_certificates_in_another_way) {
  const auto plan = analyse_library(IMAGE_BORINGSSL);
  ASSERT_FALSE(plan);
  EXPECT_THAT(plan.error().message, HasSubstr("BoringSSL"));
}

}  // namespace
}  // namespace mtlswatch
