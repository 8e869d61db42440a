// SPDX-License-Identifier: Apache-2.0
#include "userspace/probe/call_sites.h"

#include <algorithm>
#include <array>

namespace mtlswatch {
namespace {

constexpr std::size_t kFunctionBytes = 1 << 20;
constexpr std::size_t kCandidates = 256;  // libssl has at most six calls of a symbol
constexpr std::size_t kStubs = 16;        // one is usual
constexpr int kStraightLine = 24;         // instructions
constexpr int kInstructionBytes = 15;     // at most
constexpr std::uint64_t kNearCallBytes = 48;
constexpr std::size_t kStubStep = 8;      // PLT entries are 8 or 16 bytes

using Bytes = std::span<const std::uint8_t>;

bool contains(const std::vector<std::uint64_t>& addresses, std::uint64_t wanted) {
  return std::find(addresses.begin(), addresses.end(), wanted) != addresses.end();
}

// Address that the 32-bit displacement at bytes[at] names, relative to its own end.
std::uint64_t relative_target(const CodeSection& section, std::size_t at) {
  const Bytes bytes = section.bytes;
  const std::uint32_t raw = static_cast<std::uint32_t>(bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16) |
                            static_cast<std::uint32_t>(bytes[at + 3]) << 24;
  const auto distance = static_cast<std::int64_t>(static_cast<std::int32_t>(raw));
  return section.address + at + 4 + static_cast<std::uint64_t>(distance);
}

// A PLT entry is [endbr64] [bnd] jmp *slot(%rip). Returns the slot.
std::optional<std::uint64_t> stub_slot(const CodeSection& section, std::size_t at) {
  constexpr std::array<std::uint8_t, 4> kEndbr64 = {0xf3, 0x0f, 0x1e, 0xfa};
  const Bytes entry = section.bytes.subspan(at);
  std::size_t jump = 0;
  if (entry.size() >= 4 && std::equal(kEndbr64.begin(), kEndbr64.end(), entry.begin())) jump = 4;
  if (entry.size() > jump && entry[jump] == 0xf2) ++jump;
  if (entry.size() < jump + 6 || entry[jump] != 0xff || entry[jump + 1] != 0x25) return std::nullopt;
  return relative_target(section, at + jump + 2);
}

// Whether the bytes at this place read as a call or tail jump to the import.
bool looks_like_call(const CodeSection& section, std::size_t at, const Import& import) {
  const std::uint8_t first = section.bytes[at];
  const bool direct = first == 0xe8 || first == 0xe9;
  if (direct && at + 5 <= section.bytes.size()) return contains(import.stubs, relative_target(section, at + 1));
  if (first != 0xff || at + 6 > section.bytes.size()) return false;
  const std::uint8_t second = section.bytes[at + 1];
  return (second == 0x15 || second == 0x25) && contains(import.slots, relative_target(section, at + 2));
}

// Whether the four bytes at this place, read as a displacement, name a slot: `mov slot(%rip), %reg` and the like.
bool names_slot(const CodeSection& section, std::size_t at, const Import& import) {
  return at + 4 <= section.bytes.size() && contains(import.slots, relative_target(section, at));
}

// Target of the bytes at this place, read as jmp rel32 or jcc rel32.
std::optional<std::uint64_t> long_jump_target(const CodeSection& section, std::size_t at) {
  const Bytes bytes = section.bytes;
  if (bytes[at] == 0xe9 && at + 5 <= bytes.size()) return relative_target(section, at + 1);
  if (bytes[at] != 0x0f || at + 6 > bytes.size() || (bytes[at + 1] & 0xf0) != 0x80) return std::nullopt;
  return relative_target(section, at + 2);
}

}  // namespace

Import find_import(const ElfImage& image, const std::string& symbol) {
  Import import{image.slots(symbol), {}};
  if (import.slots.empty()) return import;
  for (const CodeSection& section : image.code()) {
    if (!section.linkage) continue;
    for (std::size_t at = 0; at < section.bytes.size(); at += kStubStep) {
      const auto slot = stub_slot(section, at);
      if (slot && contains(import.slots, *slot)) import.stubs.push_back(section.address + at);
      if (import.stubs.size() == kStubs) return import;
    }
  }
  return import;
}

CallSites CodeReader::find_calls(const Import& import) {
  CallSites sites;
  if (import.slots.empty() && import.stubs.empty()) return sites;
  for (const CodeSection& section : image_->code()) {
    if (section.linkage) continue;
    for (std::size_t at = 0; at < section.bytes.size(); ++at) {
      if (looks_like_call(section, at, import)) {
        if (sites.confirmed.size() + sites.unconfirmed.size() == kCandidates) return sites;
        note_call(section.address + at, sites);
      } else if (names_slot(section, at, import)) {
        sites.address_is_taken |= at < 2 || !looks_like_call(section, at - 2, import);
      }
    }
  }
  return sites;
}

CallSites CodeReader::find_calls(const Import& import, std::uint64_t low, std::uint64_t high) {
  CallSites sites;
  const CodeSection* section = image_->code_at(low);
  if (section == nullptr) return sites;
  for (std::uint64_t address = low; address < std::min(high, section->end()); ++address) {
    if (looks_like_call(*section, address - section->address, import)) note_call(address, sites);
    if (sites.confirmed.size() + sites.unconfirmed.size() == kCandidates) break;
  }
  return sites;
}

void CodeReader::note_call(std::uint64_t address, CallSites& sites) {
  const auto call = confirm(address);
  if (call) sites.confirmed.push_back(*call);
  if (!call) sites.unconfirmed.push_back(address);
}

std::optional<Instruction> CodeReader::confirm(std::uint64_t address) {
  const auto& function = function_around(address);
  const auto found =
      std::lower_bound(function.begin(), function.end(), address,
                       [](const Instruction& one, std::uint64_t wanted) { return one.address < wanted; });
  if (found == function.end() || found->address != address) return std::nullopt;
  return *found;
}

const std::vector<Instruction>& CodeReader::function_around(std::uint64_t address) {
  const auto& starts = image_->function_starts();
  const auto next = std::upper_bound(starts.begin(), starts.end(), address);
  const CodeSection* section = image_->code_at(address);
  const std::uint64_t start = next == starts.begin() ? 0 : *(next - 1);
  if (function_start_ == start) return function_;
  function_.clear();
  function_start_ = start;
  if (section == nullptr || !section->contains(start)) return function_;
  const std::uint64_t end = next == starts.end() ? section->end() : std::min(*next, section->end());
  Bytes left = section->bytes.subspan(start - section->address, std::min<std::uint64_t>(end - start, kFunctionBytes));
  if (left.size() > budget_bytes_) return function_;
  budget_bytes_ -= left.size();
  for (std::uint64_t at = start; !left.empty();) {
    const auto instruction = disassembler_.decode(left, at);
    if (instruction) function_.push_back(*instruction);
    const std::size_t size = instruction ? instruction->size : 1;
    left = left.subspan(size);
    at += size;
  }
  return function_;
}

std::optional<Instruction> CodeReader::first_emulated(std::uint64_t from, unsigned kept) {
  const std::uint64_t join = first_jump_target(from + 1, from + kStraightLine * kInstructionBytes);
  std::uint64_t at = from;
  for (int i = 0; i < kStraightLine && at < join; ++i) {
    const auto instruction = instruction_at(at);
    if (!instruction) return std::nullopt;
    if (instruction->cost == InstructionClass::kEmulated) return instruction;
    const unsigned changed = instruction->extends_result ? instruction->written & ~kResult : instruction->written;
    if ((changed & kept) != 0 || instruction->flow != Flow::kNext) return std::nullopt;
    at = instruction->end();
  }
  return std::nullopt;
}

std::optional<std::uint64_t> CodeReader::function_passed_third(const Instruction& call) {
  std::optional<std::uint64_t> passed;
  for (const Instruction& instruction : function_around(call.address)) {
    if (instruction.address + kNearCallBytes < call.address || (instruction.written & kArgument3) == 0) continue;
    if (instruction.address >= call.address) break;
    passed = loaded_third(instruction);
  }
  const auto& starts = image_->function_starts();
  return passed && std::binary_search(starts.begin(), starts.end(), *passed) && image_->code_at(*passed) ? passed : std::nullopt;
}

/// lea disp32(%rip), %rdx; or mov $imm32, %edx, where the image is linked to a fixed address.
std::optional<std::uint64_t> CodeReader::loaded_third(const Instruction& instruction) const {
  const CodeSection* section = image_->code_at(instruction.address);
  const std::size_t at = instruction.address - section->address;
  const Bytes bytes = section->bytes;
  if (instruction.size == 7 && bytes[at] == 0x48 && bytes[at + 1] == 0x8d && bytes[at + 2] == 0x15) {
    return relative_target(*section, at + 3);
  }
  if (instruction.size != 5 || bytes[at] != 0xba) return std::nullopt;
  return relative_target(*section, at + 1) - instruction.end();
}

bool CodeReader::is_jump_target(std::uint64_t address) { return first_jump_target(address, address) == address; }

// Short jumps come from the same function, which is disassembled. Long ones may come from a part that the compiler
// moved elsewhere (.cold), so for them all code is searched; a coincidence there only costs a cheaper place.
std::uint64_t CodeReader::first_jump_target(std::uint64_t low, std::uint64_t high) {
  std::uint64_t first = UINT64_MAX;
  const auto consider = [&](std::uint64_t target) {
    if (target >= low && target <= high) first = std::min(first, target);
  };
  for (const Instruction& instruction : function_around(low)) {
    if (instruction.flow == Flow::kJump) consider(instruction.target);
  }
  for (const CodeSection& section : image_->code()) {
    if (section.bytes.size() > search_budget_bytes_) return low;
    search_budget_bytes_ -= section.bytes.size();
    for (std::size_t at = 0; at < section.bytes.size(); ++at) {
      if (const auto target = long_jump_target(section, at)) consider(*target);
    }
  }
  return first;
}

std::optional<Instruction> CodeReader::instruction_at(std::uint64_t address) {
  const CodeSection* section = image_->code_at(address);
  if (section == nullptr) return std::nullopt;
  return disassembler_.decode(section->bytes.subspan(address - section->address), address);
}

std::string CodeReader::text_at(std::uint64_t address) {
  const CodeSection* section = image_->code_at(address);
  if (section == nullptr) return "(outside the code)";
  return disassembler_.text(section->bytes.subspan(address - section->address), address);
}

}  // namespace mtlswatch
