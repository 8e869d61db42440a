// SPDX-License-Identifier: Apache-2.0
// What the probe stage wants to know of one x86-64 instruction: what a uprobe on it costs, which of the registers that
// carry arguments and results it changes, and where control goes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "userspace/base/result.h"

namespace mtlswatch {

/// How the kernel runs the instruction under a uprobe (arch/x86/kernel/uprobes.c: branch_setup_xol_ops,
/// push_setup_xol_ops). Single stepping costs about ten times as much.
enum class InstructionClass : std::uint8_t { kEmulated, kSingleStepped };

/// Registers of the System V calling convention, as bits.
enum RegisterBit : unsigned {
  kResult = 1 << 0,  ///< rax and its parts
  kArgument1 = 1 << 1,
  kArgument2 = 1 << 2,
  kArgument3 = 1 << 3,
};

enum class Flow : std::uint8_t {
  kNext,       ///< goes on with the next instruction
  kCall,       ///< call rel32
  kJump,       ///< jmp or jcc to a fixed address
  kCallSlot,   ///< call *disp32(%rip)
  kJumpSlot,   ///< jmp *disp32(%rip)
  kElsewhere,  ///< any other transfer of control
};

struct Instruction {
  std::uint64_t address = 0;
  std::uint64_t target = 0;  ///< kCall, kJump: where to; kCallSlot, kJumpSlot: address of the pointer
  unsigned written = 0;      ///< RegisterBits it may change
  std::uint8_t size = 0;     ///< bytes, 1 to 15
  InstructionClass cost = InstructionClass::kSingleStepped;
  Flow flow = Flow::kNext;
  bool extends_result = false;  ///< cltq: eax is kept

  std::uint64_t end() const { return address + size; }
};

/// Owns a capstone handle. Not for several threads at once.
class Disassembler {
 public:
  static Result<Disassembler> open();

  /// The first instruction of bytes; nothing if they are not one.
  std::optional<Instruction> decode(std::span<const std::uint8_t> bytes, std::uint64_t address);
  /// The same as text, Intel syntax: "call 0x1fce0".
  std::string text(std::span<const std::uint8_t> bytes, std::uint64_t address);

 private:
  struct State;
  struct CloseState {
    void operator()(State* state) const;
  };
  bool step(std::span<const std::uint8_t> bytes, std::uint64_t address);

  std::unique_ptr<State, CloseState> state_;
};

}  // namespace mtlswatch
