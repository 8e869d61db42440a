// SPDX-License-Identifier: Apache-2.0
#include "userspace/probe/driver.h"

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <set>
#include <utility>

#include "userspace/probe/call_sites.h"
#include "userspace/probe/elf_image.h"

namespace mtlswatch {
namespace {

// node::crypto::TLSWrap::OnStreamRead(ssize_t, const uv_buf_t &) and ::ClearOut(), which calls SSL_read.
constexpr const char* kNodeStreamRead = "_ZN4node6crypto7TLSWrap12OnStreamReadElRK8uv_buf_t";
constexpr const char* kPythonModule = "PyInit__ssl";
constexpr const char* kNodeClearOut = "_ZN4node6crypto7TLSWrap8ClearOutEv";

class DriverPlanner {
 public:
  DriverPlanner(const ElfImage& image, Disassembler disassembler) : image_(image), reader_(image, std::move(disassembler)) {
    plan_.name = image.name();
    plan_.build_id = image.build_id();
  }

  LibraryPlan make() && {
    const bool accepts = imports({"SSL_set_accept_state"});
    const bool explicitly = imports({"SSL_do_handshake"}) || imports({"SSL_accept"});
    if (accepts && !explicitly && imports({"SSL_read"})) place_reads("SSL_read");
    if (image_.function(kPythonModule)) place_python();
    if (image_.function(kNodeStreamRead)) place_node();
    for (const char* symbol : {"SSL_CTX_set_verify", "SSL_set_verify"}) place_verify_callbacks(symbol);
    return std::move(plan_);
  }

 private:
  bool imports(std::initializer_list<const char*> symbols) const {
    return std::all_of(symbols.begin(), symbols.end(), [&](const char* symbol) { return !image_.slots(symbol).empty(); });
  }

  /// A call is observed from its beginning to its end, or not at all.
  void place_reads(const char* symbol, const CallSites& sites) {
    for (const Instruction& call : sites.confirmed) {
      const bool returns_here = call.flow == Flow::kCall || call.flow == Flow::kCallSlot;
      if (!returns_here || reader_.is_jump_target(call.end())) {
        plan_.unplaced.push_back({ProbePurpose::kReadResult, symbol, "a call's result cannot be read where it returns to"});
        continue;
      }
      const auto cheap = reader_.first_emulated(call.end(), kResult);
      add(ProbePurpose::kRead, ProbePlacement::kCallSite, symbol, call.address);
      add(ProbePurpose::kReadResult, ProbePlacement::kAfterCall, symbol, cheap ? cheap->address : call.end());
    }
  }

  void place_reads(const char* symbol) { place_reads(symbol, reader_.find_calls(find_import(image_, symbol))); }

  /// asyncio feeds memory BIOs; a blocking server may leave the handshake to its first read.
  void place_python() {
    place_reads(imports({"SSL_read_ex"}) ? "SSL_read_ex" : "SSL_read");
    for (const Instruction& call : reader_.find_calls(find_import(image_, "BIO_write")).confirmed) {
      add(ProbePurpose::kBioWrite, ProbePlacement::kCallSite, "BIO_write", call.address);
    }
  }

  void place_node() {
    const auto thunk = image_.thunk(kNodeStreamRead);  // streams call their listeners, of which TLSWrap is one
    const std::uint64_t entry = thunk ? thunk->address : image_.function(kNodeStreamRead)->address;
    const auto cheap = reader_.first_emulated(entry, kArgument2 | kArgument3);
    add(ProbePurpose::kStreamRead, ProbePlacement::kFunctionEntry, kNodeStreamRead, cheap ? cheap->address : entry);
    const auto caller = image_.function(kNodeClearOut);
    if (!caller) return;
    Import ways = find_import(image_, "SSL_read");
    if (const auto linked_in = image_.function("SSL_read")) ways.stubs.push_back(linked_in->address);
    place_reads("SSL_read", reader_.find_calls(ways, caller->address, caller->address + caller->bytes));
  }

  /// Functions whose address is loaded as the third argument shortly before the call. Should one be something else, what
  /// is read there will not be the code that the handshake ends with.
  void place_verify_callbacks(const char* symbol) {
    Import ways = find_import(image_, symbol);
    if (const auto linked_in = image_.function(symbol)) ways.stubs.push_back(linked_in->address);
    for (const Instruction& call : reader_.find_calls(ways).confirmed) {
      const auto callback = reader_.function_passed_third(call);
      if (!callback || !callbacks_.insert(*callback).second) continue;
      const auto cheap = reader_.first_emulated(*callback, kArgument1 | kArgument2);
      add(ProbePurpose::kVerifyCallback, ProbePlacement::kFunctionEntry, symbol, cheap ? cheap->address : *callback);
    }
  }

  void add(ProbePurpose purpose, ProbePlacement placement, const char* symbol, std::uint64_t address) {
    const auto offset = image_.file_offset(address);
    const auto instruction = reader_.instruction_at(address);
    if (!offset || !instruction) return;
    plan_.points.push_back({purpose, placement, symbol, *offset, address, instruction->cost, reader_.text_at(address)});
  }

  const ElfImage& image_;
  CodeReader reader_;
  std::set<std::uint64_t> callbacks_;  ///< placed
  LibraryPlan plan_;
};

}  // namespace

Result<LibraryPlan> analyse_driver(const std::string& path) {
  const auto image = ElfImage::open(path);
  if (!image) return image.error();
  auto disassembler = Disassembler::open();
  if (!disassembler) return disassembler.error();
  return DriverPlanner(*image, std::move(*disassembler)).make();
}

}  // namespace mtlswatch
