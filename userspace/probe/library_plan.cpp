// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <iterator>

#include "userspace/probe/library.h"

namespace mtlswatch {
namespace {

constexpr ProbePurpose kEssential[] = {ProbePurpose::kHandshakeEntry, ProbePurpose::kHandshakeReturn,
                                       ProbePurpose::kCertificate, ProbePurpose::kVerifyResult};

}  // namespace

const char* text(ProbePlacement placement) {
  switch (placement) {
    case ProbePlacement::kCallSite: return "call site";
    case ProbePlacement::kStub: return "stub";
    case ProbePlacement::kAfterCall: return "after call";
    case ProbePlacement::kFunctionEntry: return "function entry";
    case ProbePlacement::kFunctionReturn: return "function return";
  }
  return "";
}

std::set<ProbePurpose> purposes_elsewhere(const LibraryPlan& plan) {
  std::set<ProbePurpose> purposes;
  for (const UnplacedSymbol& one : plan.unplaced) {
    if (one.is_imported) purposes.insert(one.purpose);
  }
  return purposes;
}

std::span<const ProbePurpose> essential_purposes() { return kEssential; }

bool is_essential(ProbePurpose purpose) {
  return std::find(std::begin(kEssential), std::end(kEssential), purpose) != std::end(kEssential);
}

std::string missing_essentials(const LibraryPlan& plan) {
  std::string missing;
  for (const ProbePurpose purpose : kEssential) {
    const auto has_purpose = [&](const auto& one) { return one.purpose == purpose; };
    if (std::any_of(plan.points.begin(), plan.points.end(), has_purpose)) continue;
    const auto why = std::find_if(plan.unplaced.begin(), plan.unplaced.end(), has_purpose);
    if (!missing.empty()) missing += "; ";
    missing += why == plan.unplaced.end() ? "a symbol is missing" : why->symbol + ": " + why->reason;
  }
  return missing;
}

}  // namespace mtlswatch
