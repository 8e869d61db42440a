// SPDX-License-Identifier: Apache-2.0
// Finds, for the probe stage, where an image calls a function of another library, and near such a call the cheapest
// instruction that still sees the arguments or the result.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "userspace/probe/elf_image.h"
#include "userspace/probe/instruction.h"

namespace mtlswatch {

/// The ways by which this image reaches a function.
struct Import {
  std::vector<std::uint64_t> slots;  ///< GOT slots that hold its address
  std::vector<std::uint64_t> stubs;  ///< PLT entries that jump through one of them; or the function, where it is linked in
};

Import find_import(const ElfImage& image, const std::string& symbol);

struct CallSites {
  std::vector<Instruction> confirmed;      ///< calls and tail jumps, ascending
  std::vector<std::uint64_t> unconfirmed;  ///< bytes that look like one, but no instruction was found to begin there
  bool address_is_taken = false;           ///< it may be called through a register too, which no fixed place shows
};

/// Disassembles one image on demand, each function once, and never more than a fixed amount of it: the file may be
/// made to cost time.
class CodeReader {
 public:
  CodeReader(const ElfImage& image, Disassembler disassembler)
      : image_(&image), disassembler_(std::move(disassembler)) {}

  /// A probe in the middle of an instruction would corrupt the process, so bytes that look like a call are confirmed
  /// by disassembling from the start of their function.
  CallSites find_calls(const Import& import);
  /// Those from within [low, high).
  CallSites find_calls(const Import& import, std::uint64_t low, std::uint64_t high);

  /// First emulated instruction at or after from that is reached from there in a straight line, and from nowhere else,
  /// before any register of kept (RegisterBits) changes.
  std::optional<Instruction> first_emulated(std::uint64_t from, unsigned kept);

  /// The function of this image whose fixed address is the last thing loaded into rdx before the call, near it.
  std::optional<std::uint64_t> function_passed_third(const Instruction& call);

  /// Whether a jump with a fixed target leads to the address.
  bool is_jump_target(std::uint64_t address);

  std::optional<Instruction> instruction_at(std::uint64_t address);
  std::string text_at(std::uint64_t address);

 private:
  const std::vector<Instruction>& function_around(std::uint64_t address);
  std::optional<std::uint64_t> loaded_third(const Instruction& instruction) const;
  void note_call(std::uint64_t address, CallSites& sites);
  std::optional<Instruction> confirm(std::uint64_t address);
  /// Lowest address from low to high that a jump with a fixed target leads to; UINT64_MAX if none does.
  std::uint64_t first_jump_target(std::uint64_t low, std::uint64_t high);

  const ElfImage* image_;
  Disassembler disassembler_;
  std::size_t budget_bytes_ = 8 << 20;         ///< still to be disassembled
  std::size_t search_budget_bytes_ = 1 << 30;  ///< still to be searched for jumps; then every place counts as a target
  std::optional<std::uint64_t> function_start_;  ///< of function_
  std::vector<Instruction> function_;
};

}  // namespace mtlswatch
