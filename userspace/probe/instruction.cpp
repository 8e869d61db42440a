// SPDX-License-Identifier: Apache-2.0
#include "userspace/probe/instruction.h"

#include <capstone/capstone.h>

#include <algorithm>

namespace mtlswatch {

struct Disassembler::State {
  csh handle = 0;
  cs_insn* instruction = nullptr;
};

namespace {

unsigned register_bit(unsigned name) {
  switch (name) {
    case X86_REG_RAX:
    case X86_REG_EAX:
    case X86_REG_AX:
    case X86_REG_AL:
    case X86_REG_AH:
      return kResult;
    case X86_REG_RDI:
    case X86_REG_EDI:
    case X86_REG_DI:
    case X86_REG_DIL:
      return kArgument1;
    case X86_REG_RSI:
    case X86_REG_ESI:
    case X86_REG_SI:
    case X86_REG_SIL:
      return kArgument2;
    case X86_REG_RDX:
    case X86_REG_EDX:
    case X86_REG_DX:
    case X86_REG_DL:
    case X86_REG_DH:
      return kArgument3;
    default:
      return 0;
  }
}

// Where capstone does not know how an operand is used, the register counts as written.
unsigned written_registers(csh handle, const cs_insn& instruction) {
  cs_regs read = {};
  cs_regs written = {};
  std::uint8_t read_count = 0;
  std::uint8_t written_count = 0;
  if (cs_regs_access(handle, &instruction, read, &read_count, written, &written_count) != CS_ERR_OK) return ~0U;
  unsigned bits = 0;
  for (std::uint8_t i = 0; i < written_count; ++i) bits |= register_bit(written[i]);
  const cs_x86& x86 = instruction.detail->x86;
  for (std::uint8_t i = 0; i < x86.op_count; ++i) {
    const cs_x86_op& operand = x86.operands[i];
    if (operand.type == X86_OP_REG && operand.access == 0) bits |= register_bit(operand.reg);
  }
  return bits;
}

bool is_push(std::span<const std::uint8_t> bytes) {
  const std::size_t at = bytes.size() == 2 && bytes[0] == 0x41 ? 1 : 0;
  return bytes.size() == at + 1 && bytes[at] >= 0x50 && bytes[at] <= 0x57;
}

// Plain forms only: a prefix makes the kernel single-step a branch (0x66), or is too rare to care.
InstructionClass cost_of(std::span<const std::uint8_t> bytes) {
  const std::uint8_t first = bytes[0];
  const std::uint8_t second = bytes.size() > 1 ? bytes[1] : 0;
  const bool branch = first == 0xe8 || first == 0xe9 || first == 0xeb || (first >= 0x70 && first <= 0x7f) ||
                      (first == 0x0f && second >= 0x80 && second <= 0x8f);
  const bool nop = first == 0x90 || (first == 0x0f && second == 0x1f);
  return branch || nop || is_push(bytes) ? InstructionClass::kEmulated : InstructionClass::kSingleStepped;
}

bool in_group(const cs_insn& instruction, std::uint8_t wanted) {
  const cs_detail& detail = *instruction.detail;
  return std::find(detail.groups, detail.groups + detail.groups_count, wanted) != detail.groups + detail.groups_count;
}

Flow branch_flow(const cs_insn& instruction, bool call) {
  const cs_x86& x86 = instruction.detail->x86;
  if (x86.op_count != 1) return Flow::kElsewhere;
  if (x86.operands[0].type == X86_OP_IMM) return call ? Flow::kCall : Flow::kJump;
  const bool slot = x86.operands[0].type == X86_OP_MEM && x86.operands[0].mem.base == X86_REG_RIP &&
                    x86.operands[0].mem.index == X86_REG_INVALID;
  if (!slot) return Flow::kElsewhere;
  return call ? Flow::kCallSlot : Flow::kJumpSlot;
}

Flow flow_of(const cs_insn& instruction) {
  if (in_group(instruction, CS_GRP_CALL)) return branch_flow(instruction, true);
  if (in_group(instruction, CS_GRP_JUMP)) return branch_flow(instruction, false);
  for (const std::uint8_t leaves : {CS_GRP_RET, CS_GRP_INT, CS_GRP_IRET}) {
    if (in_group(instruction, leaves)) return Flow::kElsewhere;
  }
  const unsigned id = instruction.id;
  const bool stops = id == X86_INS_SYSCALL || id == X86_INS_HLT || id == X86_INS_UD2 || id == X86_INS_INT3 ||
                     id == X86_INS_LOOP || id == X86_INS_LOOPE || id == X86_INS_LOOPNE || id == X86_INS_JRCXZ;
  return stops ? Flow::kElsewhere : Flow::kNext;
}

std::uint64_t target_of(const cs_insn& instruction, Flow flow) {
  const cs_x86& x86 = instruction.detail->x86;
  if (flow == Flow::kCall || flow == Flow::kJump) return static_cast<std::uint64_t>(x86.operands[0].imm);
  if (flow == Flow::kNext || flow == Flow::kElsewhere) return 0;
  return instruction.address + instruction.size + static_cast<std::uint64_t>(x86.operands[0].mem.disp);
}

}  // namespace

void Disassembler::CloseState::operator()(State* state) const {
  if (state->instruction != nullptr) cs_free(state->instruction, 1);
  cs_close(&state->handle);
  delete state;
}

Result<Disassembler> Disassembler::open() {
  csh handle = 0;
  const cs_err opened = cs_open(CS_ARCH_X86, CS_MODE_64, &handle);
  if (opened != CS_ERR_OK) return Error{std::string("capstone: ") + cs_strerror(opened)};
  Disassembler made;
  made.state_.reset(new State{handle, nullptr});
  cs_option(handle, CS_OPT_DETAIL, CS_OPT_ON);
  made.state_->instruction = cs_malloc(handle);
  if (made.state_->instruction == nullptr) return Error{"capstone: out of memory"};
  return made;
}

bool Disassembler::step(std::span<const std::uint8_t> bytes, std::uint64_t address) {
  const std::uint8_t* code = bytes.data();
  std::size_t left = std::min<std::size_t>(bytes.size(), 15);
  return cs_disasm_iter(state_->handle, &code, &left, &address, state_->instruction);
}

std::optional<Instruction> Disassembler::decode(std::span<const std::uint8_t> bytes, std::uint64_t address) {
  if (bytes.empty() || !step(bytes, address)) return std::nullopt;
  const cs_insn& raw = *state_->instruction;
  Instruction instruction;
  instruction.address = address;
  instruction.size = static_cast<std::uint8_t>(raw.size);
  instruction.flow = flow_of(raw);
  instruction.target = target_of(raw, instruction.flow);
  instruction.written = written_registers(state_->handle, raw);
  instruction.cost = cost_of(bytes.first(raw.size));
  instruction.extends_result = raw.id == X86_INS_CDQE;
  return instruction;
}

std::string Disassembler::text(std::span<const std::uint8_t> bytes, std::uint64_t address) {
  if (bytes.empty() || !step(bytes, address)) return "(not an instruction)";
  const std::string operands = state_->instruction->op_str;
  return std::string(state_->instruction->mnemonic) + (operands.empty() ? "" : " " + operands);
}

}  // namespace mtlswatch
