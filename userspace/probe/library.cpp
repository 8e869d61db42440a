// SPDX-License-Identifier: Apache-2.0
#include "userspace/probe/library.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "userspace/probe/call_sites.h"
#include "userspace/probe/elf_image.h"

namespace mtlswatch {
namespace {

enum class Observe : std::uint8_t { kOwnEntry, kOwnReturn, kCallArguments, kCallResult };

struct WantedProbe {
  ProbePurpose purpose;
  const char* symbol;
  Observe observe;
  unsigned arguments;  ///< RegisterBits that the kernel program reads on entry
  /// Of the two names of one thing, the other; when that one is there, this one is not missed.
  const char* instead;
  /// Of its calls, only those at this place count; null: all.
  const char* after = nullptr;   ///< right behind a call of this function
  const char* inside = nullptr;  ///< in this function of the image
  /// Where it is linked in with everything else, only its calls by this function of libssl count: applications and
  /// libcrypto itself decode certificates too. Null: the function itself is probed there.
  const char* caller = nullptr;
};

constexpr std::uint64_t kRightBehindBytes = 64;

// Another library or another symbol is another row. The first is attached last and taken off first: while it is there, so
// are all the others, and what a handshake did not show it did not have.
constexpr WantedProbe kWanted[] = {
    {ProbePurpose::kHandshakeEntry, "SSL_do_handshake", Observe::kOwnEntry, kArgument1, nullptr},
    {ProbePurpose::kHandshakeReturn, "SSL_do_handshake", Observe::kOwnReturn, 0, nullptr},
    {ProbePurpose::kCertificate, "d2i_X509", Observe::kCallArguments, kArgument1 | kArgument2 | kArgument3, nullptr,
     nullptr, nullptr, "tls_process_client_certificate"},
    {ProbePurpose::kVerifyResult, "X509_STORE_CTX_get_error", Observe::kCallResult, 0, nullptr, nullptr, nullptr,
     "ssl_verify_cert_chain"},
    {ProbePurpose::kVerifyContext, "X509_STORE_CTX_get_error", Observe::kCallArguments, kArgument1, nullptr, nullptr, nullptr,
     "ssl_verify_cert_chain"},
    {ProbePurpose::kVerifyCallbackSet, "X509_STORE_CTX_set_verify_cb", Observe::kCallArguments, 0, nullptr, nullptr, nullptr,
     "ssl_verify_cert_chain"},
    {ProbePurpose::kError, "ERR_vset_error", Observe::kCallArguments, kArgument1 | kArgument2, "ERR_put_error",
     nullptr, nullptr, "ossl_statem_fatal"},
    {ProbePurpose::kErrorLegacy, "ERR_put_error", Observe::kCallArguments, kArgument1 | kArgument3, "ERR_vset_error",
     nullptr, nullptr, "ossl_statem_fatal"},
    // Since OpenSSL 3.2 libssl calls the _ex form, and the plain one jumps to it.
    {ProbePurpose::kSessionOffered, "d2i_SSL_SESSION_ex", Observe::kOwnEntry, kArgument2 | kArgument3, "d2i_SSL_SESSION"},
    {ProbePurpose::kSessionOffered, "d2i_SSL_SESSION", Observe::kOwnEntry, kArgument2 | kArgument3, "d2i_SSL_SESSION_ex"},
    {ProbePurpose::kSessionStored, "SSL_CTX_add_session", Observe::kOwnEntry, kArgument2, nullptr},
    {ProbePurpose::kSessionFound, "SSL_SESSION_up_ref", Observe::kCallArguments, kArgument1, nullptr, "OPENSSL_LH_retrieve"},
    {ProbePurpose::kSessionAsked, "SSL_get1_session", Observe::kOwnEntry, kArgument1, nullptr},
    {ProbePurpose::kSessionTaken, "SSL_SESSION_up_ref", Observe::kCallArguments, kArgument1, nullptr, nullptr, "SSL_get1_session"},
    {ProbePurpose::kPeekEntry, "SSL_peek", Observe::kOwnEntry, kArgument1, nullptr},
    {ProbePurpose::kPeekReturn, "SSL_peek", Observe::kOwnReturn, 0, nullptr},
};

constexpr std::size_t kMostCallSites = 16;  // OpenSSL 1.1.1 has 257 of ERR_put_error; each costs time to attach and detach

constexpr const char* kOnlyInBoringssl = "SSL_CTX_set_custom_verify";  // and in AWS-LC

/// The displacement of [endbr64] mov disp(%rdi), %eax; 0: the function begins with something else.
std::uint16_t accessor_offset(const ElfImage& image, const char* symbol) {
  constexpr std::uint8_t kEndbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
  const auto function = image.function(symbol);
  const CodeSection* section = function ? image.code_at(function->address) : nullptr;
  if (section == nullptr) return 0;
  auto bytes = section->bytes.subspan(function->address - section->address);
  if (bytes.size() > 4 && std::equal(std::begin(kEndbr64), std::end(kEndbr64), bytes.begin())) bytes = bytes.subspan(4);
  if (bytes.size() < 6 || bytes[0] != 0x8b || bytes[1] != 0x87 || bytes[4] != 0 || bytes[5] != 0) return 0;
  return static_cast<std::uint16_t>(bytes[2] | bytes[3] << 8);
}

std::string hex_address(std::uint64_t value) {
  std::string digits;
  do {
    digits.insert(digits.begin(), "0123456789abcdef"[value & 0xf]);
    value >>= 4;
  } while (value != 0);
  return "0x" + digits;
}

/// Fills one LibraryPlan from one image.
class Planner {
 public:
  Planner(const ElfImage& image, Disassembler disassembler) : image_(image), reader_(image, std::move(disassembler)) {
    plan_.name = image.name();
    plan_.build_id = image.build_id();
    plan_.version = image.openssl_version();
    plan_.layout = verify_layout(image);
  }

  LibraryPlan make() && {
    for (const WantedProbe& wanted : kWanted) place(wanted);
    return std::move(plan_);
  }

  LibraryPlan make_definitions(const std::set<ProbePurpose>& purposes) && {
    for (const WantedProbe& wanted : kWanted) {
      if (purposes.contains(wanted.purpose)) place_definition(wanted);
    }
    return std::move(plan_);
  }

 private:
  void place(const WantedProbe& wanted);
  void place_import(const WantedProbe& wanted, const Import& import);
  void place_linked_in(const WantedProbe& wanted, const Import& ways);
  void place_definition(const WantedProbe& wanted);
  void place_calls(const WantedProbe& wanted, const CallSites& sites);
  void place_after(const WantedProbe& wanted, const Instruction& call);
  void place_function(const WantedProbe& wanted, std::uint64_t function);
  std::uint64_t behind_marker(std::uint64_t function);
  void add(const WantedProbe& wanted, ProbePlacement placement, std::uint64_t address);
  void miss(const WantedProbe& wanted, const std::string& reason, bool is_imported = false);
  bool has(const char* symbol) const;
  bool is_placed(ProbePurpose purpose) const;
  void place_chosen_calls(const WantedProbe& wanted);
  CallSites calls_of(const char* symbol);
  static bool is_right_behind(const CallSites& before, const Instruction& call);
  bool is_inside(const char* symbol, const Instruction& call) const;

  const ElfImage& image_;
  CodeReader reader_;
  LibraryPlan plan_;
};

void Planner::place(const WantedProbe& wanted) {
  if (wanted.after != nullptr || wanted.inside != nullptr) return place_chosen_calls(wanted);
  const bool own = wanted.observe == Observe::kOwnEntry || wanted.observe == Observe::kOwnReturn;
  Import import = own ? Import{} : find_import(image_, wanted.symbol);
  if (own && wanted.instead != nullptr && is_placed(wanted.purpose)) return;
  const auto function = image_.function(wanted.symbol);
  if (function && wanted.caller != nullptr) {
    import.stubs.push_back(function->address);
    return place_linked_in(wanted, import);
  }
  if (!import.slots.empty()) return place_import(wanted, import);
  if (function) return place_function(wanted, function->address);
  if (wanted.instead != nullptr && has(wanted.instead)) return;
  miss(wanted, "not in this file");
}

/// Calls that mean something at one place only: never the function's own entry, which every caller passes.
void Planner::place_chosen_calls(const WantedProbe& wanted) {
  if (!has(wanted.symbol)) return miss(wanted, "not in this file");
  CallSites sites = calls_of(wanted.symbol);
  sites.unconfirmed.clear();
  const CallSites before = wanted.after != nullptr ? calls_of(wanted.after) : CallSites{};
  std::erase_if(sites.confirmed, [&](const Instruction& call) {
    return wanted.after != nullptr ? !is_right_behind(before, call) : !is_inside(wanted.inside, call);
  });
  if (sites.confirmed.empty()) return miss(wanted, "no call of it was found where it is wanted");
  place_calls(wanted, sites);
}

/// Of an imported function, or of one of the image's own.
CallSites Planner::calls_of(const char* symbol) {
  Import import = find_import(image_, symbol);
  if (const auto function = image_.function(symbol)) import.stubs.push_back(function->address);
  return reader_.find_calls(import);
}

bool Planner::is_right_behind(const CallSites& before, const Instruction& call) {
  return std::any_of(before.confirmed.begin(), before.confirmed.end(), [&](const Instruction& other) {
    return other.address < call.address && call.address - other.address <= kRightBehindBytes;
  });
}

bool Planner::is_inside(const char* symbol, const Instruction& call) const {
  const auto start = image_.function(symbol);
  if (!start || call.address < start->address) return false;
  const auto& starts = image_.function_starts();
  const auto next = std::upper_bound(starts.begin(), starts.end(), start->address);
  return next == starts.end() || call.address < *next;
}

void Planner::place_import(const WantedProbe& wanted, const Import& import) {
  const CallSites sites = reader_.find_calls(import);
  if (sites.confirmed.empty() && sites.unconfirmed.empty()) {
    return miss(wanted, "imported, but no call of it was found", true);
  }
  if (sites.address_is_taken) miss(wanted, "imported, and may be called through a register too", true);
  const bool many = sites.confirmed.size() > kMostCallSites && wanted.observe == Observe::kCallArguments;
  if (!many || import.stubs.empty()) return place_calls(wanted, sites);
  for (const std::uint64_t stub : import.stubs) add(wanted, ProbePlacement::kStub, stub);
}

void Planner::place_linked_in(const WantedProbe& wanted, const Import& ways) {
  const auto caller = image_.function(wanted.caller);
  if (!caller) return miss(wanted, std::string("linked in, but ") + wanted.caller + ", which calls it, has no name here");
  const CallSites sites = reader_.find_calls(ways, caller->address, caller->address + caller->bytes);
  if (sites.confirmed.empty()) return miss(wanted, std::string("linked in, but no call by ") + wanted.caller + " was found");
  place_calls(wanted, sites);
}

/// Where the return address is on top of the stack, so that the kernel side can ask who calls.
void Planner::place_definition(const WantedProbe& wanted) {
  const auto function = image_.function(wanted.symbol);
  const bool result = wanted.observe == Observe::kCallResult;
  if (!function && wanted.instead != nullptr && has(wanted.instead)) return;
  if (!function) return miss(wanted, "not in this file");
  add(wanted, result ? ProbePlacement::kFunctionReturn : ProbePlacement::kFunctionEntry, behind_marker(function->address));
}

bool Planner::has(const char* symbol) const { return !image_.slots(symbol).empty() || image_.function(symbol); }

bool Planner::is_placed(ProbePurpose purpose) const {
  return std::any_of(plan_.points.begin(), plan_.points.end(), [&](const ProbePoint& point) { return point.purpose == purpose; });
}

void Planner::place_calls(const WantedProbe& wanted, const CallSites& sites) {
  for (const Instruction& call : sites.confirmed) {
    if (wanted.observe == Observe::kCallArguments) add(wanted, ProbePlacement::kCallSite, call.address);
    if (wanted.observe == Observe::kCallResult) place_after(wanted, call);
  }
  for (const std::uint64_t address : sites.unconfirmed) {
    miss(wanted, "possible call at " + hex_address(address) + " could not be confirmed by disassembly", true);
  }
}

void Planner::place_after(const WantedProbe& wanted, const Instruction& call) {
  const std::string where = "call at " + hex_address(call.address);
  if (call.flow != Flow::kCall && call.flow != Flow::kCallSlot) {
    return miss(wanted, where + " is a tail jump: the result goes elsewhere", true);
  }
  if (reader_.is_jump_target(call.end())) return miss(wanted, where + " returns to where other paths arrive too", true);
  const auto cheap = reader_.first_emulated(call.end(), kResult);
  add(wanted, ProbePlacement::kAfterCall, cheap ? cheap->address : call.end());
}

void Planner::place_function(const WantedProbe& wanted, std::uint64_t function) {
  const bool result = wanted.observe == Observe::kOwnReturn || wanted.observe == Observe::kCallResult;
  if (result) return add(wanted, ProbePlacement::kFunctionReturn, behind_marker(function));
  const auto cheap = reader_.first_emulated(function, wanted.arguments);
  add(wanted, ProbePlacement::kFunctionEntry, cheap ? cheap->address : function);
}

/// Behind endbr64, where the stack is still as the caller left it and the next instruction may be a cheap one.
std::uint64_t Planner::behind_marker(std::uint64_t function) {
  const auto first = reader_.instruction_at(function);
  if (!first || reader_.text_at(function) != "endbr64") return function;
  const auto second = reader_.instruction_at(first->end());
  return second && second->cost == InstructionClass::kEmulated ? first->end() : function;
}

void Planner::add(const WantedProbe& wanted, ProbePlacement placement, std::uint64_t address) {
  const auto offset = image_.file_offset(address);
  const auto instruction = reader_.instruction_at(address);
  if (!offset || !instruction) return miss(wanted, hex_address(address) + " is not an instruction in executable code");
  plan_.points.push_back(
      {wanted.purpose, placement, wanted.symbol, *offset, address, instruction->cost, reader_.text_at(address)});
}

void Planner::miss(const WantedProbe& wanted, const std::string& reason, bool is_imported) {
  plan_.unplaced.push_back({wanted.purpose, wanted.symbol, reason, is_imported});
}

}  // namespace

VerifyLayout verify_layout(const ElfImage& image) {
  return {accessor_offset(image, "X509_STORE_CTX_get_error_depth"), accessor_offset(image, "X509_STORE_CTX_get_error")};
}

Result<LibraryPlan> analyse_library(const std::string& path) {
  const auto image = ElfImage::open(path);
  if (!image) return image.error();
  if (image->function(kOnlyInBoringssl)) return Error{"BoringSSL or AWS-LC: its handshakes cannot be observed"};
  auto disassembler = Disassembler::open();
  if (!disassembler) return disassembler.error();
  return Planner(*image, std::move(*disassembler)).make();
}

Result<LibraryPlan> analyse_definitions(const std::string& path, const std::set<ProbePurpose>& purposes) {
  const auto image = ElfImage::open(path);
  if (!image) return image.error();
  auto disassembler = Disassembler::open();
  if (!disassembler) return disassembler.error();
  return Planner(*image, std::move(*disassembler)).make_definitions(purposes);
}

}  // namespace mtlswatch
