// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "tests/unit/probe/library_plan.h"

namespace mtlswatch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

constexpr const char* kLibssl = "/usr/lib/x86_64-linux-gnu/libssl.so.3";

std::string read_file(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

/// A file that goes with the test.
class TemporaryFile {
 public:
  TemporaryFile() : path_(testing::TempDir() + "mtlswatch_library_test." + std::to_string(getpid())) {}
  ~TemporaryFile() { std::filesystem::remove(path_); }
  const std::string& path() const { return path_; }
  void write(const std::string& bytes) const { std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes; }

 private:
  std::string path_;
};

// ---- what each kind of linking shows ----

class Imports : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Plt, Imports, testing::Values(IMAGE_PLT));
INSTANTIATE_TEST_SUITE_P(PltSec, Imports, testing::Values(IMAGE_PLT_SEC));
INSTANTIATE_TEST_SUITE_P(BoundNow, Imports, testing::Values(IMAGE_BOUND_NOW));

TEST_P(Imports, probe_the_handshake_at_the_first_emulated_instruction_of_its_prologue) {
  const auto plan = plan_of(GetParam());
  const auto entry = points_of(plan, ProbePurpose::kHandshakeEntry);
  const auto leave = points_of(plan, ProbePurpose::kHandshakeReturn);
  ASSERT_EQ(entry.size(), 1U);
  ASSERT_EQ(leave.size(), 1U);
  EXPECT_THAT(entry[0].disassembly, StartsWith("js "));
  EXPECT_EQ(entry[0].instruction_class, InstructionClass::kEmulated);
  EXPECT_EQ(entry[0].placement, ProbePlacement::kFunctionEntry);
  EXPECT_EQ(leave[0].disassembly, "sub rsp, 0x18");
  EXPECT_EQ(leave[0].instruction_class, InstructionClass::kSingleStepped);
  EXPECT_EQ(leave[0].placement, ProbePlacement::kFunctionReturn);
  EXPECT_EQ(entry[0].address, leave[0].address + 8);
}

TEST_P(Imports, probe_calls_and_tail_jumps_that_pass_a_certificate) {
  const auto points = points_of(plan_of(GetParam()), ProbePurpose::kCertificate);
  ASSERT_EQ(points.size(), 2U);
  EXPECT_THAT(points[0].disassembly, StartsWith("call "));
  EXPECT_THAT(points[1].disassembly, StartsWith("jmp "));
  for (const ProbePoint& point : points) {
    EXPECT_EQ(point.placement, ProbePlacement::kCallSite);
    EXPECT_EQ(point.instruction_class, InstructionClass::kEmulated);
  }
}

TEST_P(Imports, never_probe_the_middle_of_an_instruction_that_contains_the_bytes_of_a_call) {
  EXPECT_THAT(reasons_of(plan_of(GetParam()), ProbePurpose::kCertificate),
              ElementsAre(HasSubstr("could not be confirmed")));
}

TEST_P(Imports, read_a_result_where_it_is_still_in_eax_and_only_the_call_leads) {
  const auto plan = plan_of(GetParam());
  EXPECT_THAT(instructions_of(plan, ProbePurpose::kVerifyResult),
              ElementsAre("push r8", "mov ebp, eax", "mov r12d, eax", "mov r14d, eax"));
  const auto points = points_of(plan, ProbePurpose::kVerifyResult);
  ASSERT_EQ(points.size(), 4U);
  EXPECT_EQ(points[0].instruction_class, InstructionClass::kEmulated);
  EXPECT_EQ(points[1].instruction_class, InstructionClass::kSingleStepped);
  for (const ProbePoint& point : points) EXPECT_EQ(point.placement, ProbePlacement::kAfterCall);
}

TEST_P(Imports, say_where_a_result_cannot_be_read) {
  EXPECT_THAT(reasons_of(plan_of(GetParam()), ProbePurpose::kVerifyResult),
              ElementsAre(HasSubstr("other paths"), HasSubstr("tail jump")));
}

TEST_P(Imports, find_calls_through_the_global_offset_table) {
  const auto points = points_of(plan_of(GetParam()), ProbePurpose::kError);
  ASSERT_EQ(points.size(), 1U);
  EXPECT_THAT(points[0].disassembly, HasSubstr("[rip"));
  EXPECT_EQ(points[0].instruction_class, InstructionClass::kSingleStepped);
}

TEST_P(Imports, do_not_miss_the_old_name_of_a_function_that_is_there_under_its_new_one) {
  EXPECT_THAT(reasons_of(plan_of(GetParam()), ProbePurpose::kErrorLegacy), IsEmpty());
}

TEST(LibraryPlan, names_the_library_its_build_and_its_release) {
  const auto plan = plan_of(IMAGE_PLT);
  EXPECT_EQ(plan.name, "libimports.so.1");
  EXPECT_EQ(plan.build_id, "00112233445566778899aabbccddeeff");
  EXPECT_EQ(plan.version, "OpenSSL 9.8.7 1 Jan 2026");
  EXPECT_EQ(plan_of(IMAGE_PLT_SEC).name, "libimage_plt_sec.so");
}

TEST(LibraryPlan, gives_places_in_the_file_and_not_in_memory) {
  const auto points = points_of(plan_of(IMAGE_DEFINITIONS), ProbePurpose::kVerifyResult);
  ASSERT_EQ(points.size(), 1U);
  EXPECT_NE(points[0].file_offset, points[0].address);
  EXPECT_EQ(read_file(IMAGE_DEFINITIONS).substr(points[0].file_offset, 2), "\x41\x52") << "push r10";
}

TEST(LibraryPlan, has_a_reason_for_every_symbol_of_a_library_that_is_no_tls_library) {
  const auto plan = plan_of("/proc/self/exe");
  EXPECT_THAT(plan.points, IsEmpty());
  ASSERT_GE(plan.unplaced.size(), 6U);
  for (const UnplacedSymbol& one : plan.unplaced) EXPECT_EQ(one.reason, "not in this file") << one.symbol;
}

// ---- Debian's library, against binutils ----

/// Addresses of the instructions by which objdump's listing calls the symbol's stub.
std::vector<std::uint64_t> objdump_calls(const std::string& listing, const std::string& symbol) {
  std::vector<std::uint64_t> addresses;
  std::istringstream lines(listing);
  for (std::string line; std::getline(lines, line);) {
    const bool call = line.find("call") != std::string::npos || line.find("jmp") != std::string::npos;
    if (call && line.find("<" + symbol + "@plt>") != std::string::npos) {
      addresses.push_back(std::strtoull(line.c_str(), nullptr, 16));
    }
  }
  return addresses;
}

std::vector<std::uint64_t> addresses_of(const LibraryPlan& plan, ProbePurpose purpose) {
  std::vector<std::uint64_t> addresses;
  for (const ProbePoint& point : points_of(plan, purpose)) addresses.push_back(point.address);
  return addresses;
}

class Libssl : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(kLibssl)) GTEST_SKIP() << "needs " << kLibssl;
    plan_ = plan_of(kLibssl);
  }
  LibraryPlan plan_;
};

TEST_F(Libssl, has_the_call_sites_that_objdump_shows) {
  const std::string command = std::string("objdump -d --no-show-raw-insn ") + kLibssl + " 2>/dev/null";
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  ASSERT_NE(pipe, nullptr);
  std::string listing;
  for (char block[65536]; const std::size_t got = fread(block, 1, sizeof block, pipe.get());)
    listing.append(block, got);
  if (listing.empty()) GTEST_SKIP() << "needs objdump (binutils)";
  EXPECT_FALSE(points_of(plan_, ProbePurpose::kCertificate).empty());
  EXPECT_EQ(addresses_of(plan_, ProbePurpose::kCertificate), objdump_calls(listing, "d2i_X509"));
  EXPECT_EQ(addresses_of(plan_, ProbePurpose::kError), objdump_calls(listing, "ERR_vset_error"));
  const auto results = addresses_of(plan_, ProbePurpose::kVerifyResult);
  const auto calls = objdump_calls(listing, "X509_STORE_CTX_get_error");
  ASSERT_EQ(results.size(), calls.size());
  for (std::size_t i = 0; i < calls.size(); ++i) {
    EXPECT_GE(results[i], calls[i] + 5);
    EXPECT_LE(results[i], calls[i] + 64);
  }
}

TEST_F(Libssl, has_all_its_probes_on_emulated_instructions) {
  EXPECT_THAT(plan_.unplaced, IsEmpty());
  EXPECT_EQ(plan_.build_id.size(), 40U);
  for (const ProbePoint& point : plan_.points) {
    if (point.purpose == ProbePurpose::kPeekReturn) continue;  // seldom called
    EXPECT_EQ(point.instruction_class, InstructionClass::kEmulated) << point.symbol << ": " << point.disassembly;
  }
}

TEST_F(Libssl, has_at_each_file_offset_the_instruction_that_the_plan_names) {
  const std::string file = read_file(kLibssl);
  for (const ProbePoint& point : points_of(plan_, ProbePurpose::kCertificate)) {
    ASSERT_LT(point.file_offset, file.size());
    EXPECT_EQ(static_cast<unsigned char>(file[point.file_offset]), 0xe8) << point.disassembly;
  }
}

// ---- files that are not what they seem ----

TEST(HostileFile, is_refused_with_its_name_when_it_is_no_library) {
  TemporaryFile file;
  for (const std::string& bytes : {std::string(),
                                   std::string("\x7f"
                                               "ELF"),
                                   std::string(4096, '\0')}) {
    file.write(bytes);
    const auto plan = analyse_library(file.path());
    ASSERT_FALSE(plan);
    EXPECT_THAT(plan.error().message, HasSubstr(file.path()));
  }
  EXPECT_THAT(analyse_library("/proc/self").error().message, HasSubstr("not a regular file"));
  EXPECT_THAT(analyse_library("/nonexistent/libssl.so").error().message, HasSubstr("No such file"));
}

/// Damages bytes of a library: half of the places in its headers and tables, where it hurts most.
std::string damaged(std::string bytes, std::mt19937& random) {
  const auto below = [&](std::size_t limit) { return static_cast<std::size_t>(random()) % limit; };
  constexpr std::size_t kTables = 128 << 10;
  constexpr std::size_t kSectionHeaders = 27 * 64;
  for (std::size_t count = 1 + below(48); count > 0; --count) {
    const std::size_t places[] = {below(bytes.size()), below(1024), below(std::min(kTables, bytes.size())),
                                  bytes.size() - 1 - below(std::min(kSectionHeaders, bytes.size()))};
    bytes[places[below(4)]] = static_cast<char>(random());
  }
  if (below(4) == 0) bytes.resize(below(bytes.size()));
  return bytes;
}

void expect_bounded_analysis_of_damage(const std::string& original, int variants) {
  ASSERT_FALSE(original.empty());
  TemporaryFile file;
  std::mt19937 random(20260101);
  int analysed = 0;
  for (int i = 0; i < variants; ++i) {
    const std::string bytes = damaged(original, random);
    file.write(bytes);
    const auto plan = analyse_library(file.path());
    if (!plan) continue;
    ++analysed;
    for (const ProbePoint& point : plan->points) EXPECT_LT(point.file_offset, bytes.size()) << "variant " << i;
  }
  EXPECT_GT(analysed, variants / 10) << "the damage was refused too early to test anything";
}

TEST(HostileFile, made_from_an_image_by_damage_is_analysed_or_refused) {
  expect_bounded_analysis_of_damage(read_file(IMAGE_PLT), 400);
}

TEST_F(Libssl, is_analysed_or_refused_when_it_is_damaged) {
  expect_bounded_analysis_of_damage(read_file(kLibssl), 300);
}

}  // namespace
}  // namespace mtlswatch
