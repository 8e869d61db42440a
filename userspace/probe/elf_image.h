// SPDX-License-Identifier: Apache-2.0
// An ELF file for x86-64 opened for analysis by the probe stage. The file may belong to a hostile container: it is read
// (never mapped, so truncating it cannot raise SIGBUS), and what is kept of it is bounded.
#pragma once

#include <libelf.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/base/unique_fd.h"

namespace mtlswatch {

/// Executable bytes and where they are mapped, relative to the image's load address.
struct CodeSection {
  std::uint64_t address = 0;
  std::span<const std::uint8_t> bytes;  ///< owned by the ElfImage
  bool linkage = false;                 ///< .plt, .plt.sec, .plt.got

  std::uint64_t end() const { return address + bytes.size(); }
  bool contains(std::uint64_t wanted) const { return wanted >= address && wanted < end(); }
};

class ElfImage {
 public:
  /// Errors: not a regular file, not a little-endian ELF64 for x86-64, no section headers, too large.
  static Result<ElfImage> open(const std::string& path);

  struct Function {
    std::uint64_t address = 0;
    std::uint64_t bytes = 0;  ///< 0: not told
  };

  /// SONAME, else the last component of the path; printable ASCII.
  const std::string& name() const { return name_; }
  /// Lower-case hex, as tools print it; empty if there is none.
  const std::string& build_id() const { return build_id_; }
  /// First "OpenSSL N..." in .rodata; empty if there is none. OpenSSL 3 keeps it in libcrypto alone.
  const std::string& openssl_version() const { return openssl_version_; }

  const std::vector<CodeSection>& code() const { return code_; }
  const CodeSection* code_at(std::uint64_t address) const;
  /// Sorted addresses at which a function or a section begins: places where disassembly can safely start.
  const std::vector<std::uint64_t>& function_starts() const { return function_starts_; }

  /// Address of a function that this image defines (.dynsym first, then .symtab).
  std::optional<Function> function(const std::string& symbol) const;
  /// Of a C++ member function: the entry that callers use who hold a pointer to a base class which does not stand first in
  /// the object (Itanium C++ ABI, 5.1.4.2). It adjusts `this` and goes on in a copy of the function or in itself.
  std::optional<Function> thunk(const std::string& symbol) const;
  /// GOT slots that the dynamic linker fills with the symbol's address.
  std::vector<std::uint64_t> slots(const std::string& symbol) const;
  /// Where the address lies in the file, which is what a perf uprobe takes; nothing if no executable segment holds it.
  std::optional<std::uint64_t> file_offset(std::uint64_t address) const;

 private:
  struct Segment {
    std::uint64_t address = 0;
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
  };
  struct CloseElf {
    void operator()(Elf* elf) const { elf_end(elf); }
  };

  template <typename Wanted>
  std::optional<Function> find_function(const Wanted& wanted) const;
  Status check_machine() const;
  Status read_segments();
  Status read_sections();
  void read_section(Elf_Scn* section);
  void read_code(Elf_Scn* section, bool linkage);
  void read_symbol_starts(Elf_Scn* section);
  void read_unwind_starts(Elf_Scn* section, std::uint64_t address);
  void read_notes(Elf_Scn* section);
  void read_soname(Elf_Scn* section, std::span<const std::uint8_t> names);
  void read_version(Elf_Scn* section);
  Elf_Data* load(Elf_Scn* section, bool raw);
  std::span<const std::uint8_t> strings(std::size_t section);

  UniqueFd file_;
  std::unique_ptr<Elf, CloseElf> elf_;
  std::uint64_t file_bytes_ = 0;
  std::uint64_t budget_bytes_ = 0;
  std::string name_;
  std::string build_id_;
  std::string openssl_version_;
  std::span<const std::uint8_t> section_names_;
  std::vector<Segment> segments_;
  std::vector<CodeSection> code_;
  std::vector<std::uint64_t> function_starts_;
  struct SymbolTable {
    Elf_Data* symbols = nullptr;
    std::span<const std::uint8_t> strings;  ///< the names
    std::size_t count = 0;
  };
  std::vector<SymbolTable> symbol_tables_;  ///< at most one .dynsym, then at most one .symtab
  std::vector<Elf_Data*> relocations_;      ///< of the dynamic symbols
};

}  // namespace mtlswatch
