// SPDX-License-Identifier: Apache-2.0
#include "userspace/probe/elf_image.h"

#include <fcntl.h>
#include <gelf.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "userspace/base/hex.h"

namespace mtlswatch {
namespace {

constexpr std::uint64_t kFileBytes = 1ULL << 30;
// Overlapping sections could otherwise make a small file cost any amount of memory.
constexpr std::uint64_t kLoadedBytes = 256ULL << 20;
constexpr std::size_t kSections = 4096;
constexpr std::size_t kSegments = 256;
constexpr std::size_t kNameBytes = 255;
constexpr std::size_t kSlots = 16;  // one for calls and one for its address are usual
constexpr std::size_t kVersionBytes = 64;
constexpr std::size_t kBuildIdBytes = 64;

bool printable(char byte) { return byte >= 0x20 && byte < 0x7f; }

std::string to_printable(std::string_view text) {
  std::string safe(text.substr(0, kNameBytes));
  std::replace_if(safe.begin(), safe.end(), [](char byte) { return !printable(byte); }, '?');
  return safe;
}

std::string base_name(const std::string& path) { return to_printable(path.substr(path.rfind('/') + 1)); }

// "3.0.22 25 Aug 2026", but not "3.0 legacy provider".
bool starts_with_release(std::string_view text) {
  const auto digit = [&](std::size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '9'; };
  return digit(0) && text.size() > 4 && text[1] == '.' && digit(2) && text.find('.', 3) < 6;
}

std::span<const std::uint8_t> bytes_of(const Elf_Data* data) {
  if (data == nullptr || data->d_buf == nullptr) return {};
  return {static_cast<const std::uint8_t*>(data->d_buf), data->d_size};
}

// The string at an offset of a string table; empty if it does not end within kNameBytes. elf_strptr would look for the
// end of the table at each call, which a table without one makes dear.
std::string_view string_at(std::span<const std::uint8_t> strings, std::uint64_t offset) {
  if (offset >= strings.size()) return {};
  const auto rest = strings.subspan(offset, std::min<std::uint64_t>(strings.size() - offset, kNameBytes + 1));
  const auto end = std::find(rest.begin(), rest.end(), 0);
  if (end == rest.end()) return {};
  return {reinterpret_cast<const char*>(rest.data()), static_cast<std::size_t>(end - rest.begin())};
}

std::uint32_t little_endian(std::span<const std::uint8_t> bytes, std::size_t at) {
  return static_cast<std::uint32_t>(bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16) |
         static_cast<std::uint32_t>(bytes[at + 3]) << 24;
}

Error elf_error(const std::string& what) {
  const char* reason = elf_errmsg(-1);
  return Error{what + ": " + (reason != nullptr ? reason : "malformed")};
}

}  // namespace

Result<ElfImage> ElfImage::open(const std::string& path) {
  ElfImage image;
  image.file_ = UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!image.file_) return system_error("open " + path, errno);
  struct stat facts = {};
  if (::fstat(image.file_.get(), &facts) != 0) return system_error("stat " + path, errno);
  if (!S_ISREG(facts.st_mode)) return Error{path + ": not a regular file"};
  image.file_bytes_ = static_cast<std::uint64_t>(facts.st_size);
  if (image.file_bytes_ > kFileBytes) return Error{path + ": larger than 1 GiB"};
  image.budget_bytes_ = kLoadedBytes;
  image.name_ = base_name(path);
  elf_version(EV_CURRENT);
  image.elf_.reset(elf_begin(image.file_.get(), ELF_C_READ, nullptr));
  if (!image.elf_) return elf_error(path);
  for (const auto step : {&ElfImage::read_segments, &ElfImage::read_sections}) {
    const Status done = (image.*step)();
    if (!done) return done.error().in(path);
  }
  return image;
}

Status ElfImage::check_machine() const {
  GElf_Ehdr header = {};
  if (gelf_getehdr(elf_.get(), &header) == nullptr) return Error{"not an ELF file"};
  const bool supported =
      header.e_machine == EM_X86_64 && header.e_ident[EI_CLASS] == ELFCLASS64 && header.e_ident[EI_DATA] == ELFDATA2LSB;
  if (!supported) return Error{"not an x86-64 ELF file"};
  if (header.e_type != ET_DYN && header.e_type != ET_EXEC) return Error{"neither a shared library nor an executable"};
  return Done{};
}

Status ElfImage::read_segments() {
  const Status machine = check_machine();
  if (!machine) return machine;
  std::size_t count = 0;
  if (elf_getphdrnum(elf_.get(), &count) != 0) return elf_error("program headers");
  for (std::size_t i = 0; i < std::min(count, kSegments); ++i) {
    GElf_Phdr header = {};
    if (gelf_getphdr(elf_.get(), static_cast<int>(i), &header) == nullptr) return elf_error("program headers");
    if (header.p_type != PT_LOAD || (header.p_flags & PF_X) == 0) continue;
    if (header.p_offset > file_bytes_ || header.p_filesz > file_bytes_ - header.p_offset) continue;
    segments_.push_back({header.p_vaddr, header.p_offset, header.p_filesz});
  }
  if (segments_.empty()) return Error{"no executable segment"};
  return Done{};
}

Status ElfImage::read_sections() {
  std::size_t names = 0;
  if (elf_getshdrstrndx(elf_.get(), &names) != 0) return elf_error("section names");
  section_names_ = strings(names);
  Elf_Scn* section = nullptr;
  std::size_t count = 0;
  while (count < kSections && (section = elf_nextscn(elf_.get(), section)) != nullptr) {
    read_section(section);
    ++count;
  }
  if (count == 0) return Error{"no section headers"};
  if (code_.empty()) return Error{"no executable section"};
  std::sort(code_.begin(), code_.end(), [](const auto& a, const auto& b) { return a.address < b.address; });
  std::sort(function_starts_.begin(), function_starts_.end());
  function_starts_.erase(std::unique(function_starts_.begin(), function_starts_.end()), function_starts_.end());
  return Done{};
}

void ElfImage::read_section(Elf_Scn* section) {
  GElf_Shdr header = {};
  if (gelf_getshdr(section, &header) == nullptr) return;
  const std::string_view name = string_at(section_names_, header.sh_name);
  const bool code = header.sh_type == SHT_PROGBITS && (header.sh_flags & SHF_EXECINSTR) != 0;
  if (code) return read_code(section, name.starts_with(".plt"));
  if (header.sh_type == SHT_DYNSYM || header.sh_type == SHT_SYMTAB) return read_symbol_starts(section);
  if (header.sh_type == SHT_RELA && (header.sh_flags & SHF_ALLOC) != 0) {
    if (Elf_Data* data = load(section, false)) relocations_.push_back(data);
  }
  if (header.sh_type == SHT_NOTE) return read_notes(section);
  if (header.sh_type == SHT_DYNAMIC) return read_soname(section, strings(header.sh_link));
  if (name == ".eh_frame_hdr") return read_unwind_starts(section, header.sh_addr);
  if (name == ".rodata") return read_version(section);
}

Elf_Data* ElfImage::load(Elf_Scn* section, bool raw) {
  GElf_Shdr header = {};
  if (gelf_getshdr(section, &header) == nullptr || header.sh_type == SHT_NOBITS) return nullptr;
  if (header.sh_size > budget_bytes_ || header.sh_size > file_bytes_) return nullptr;
  budget_bytes_ -= header.sh_size;
  return raw ? elf_rawdata(section, nullptr) : elf_getdata(section, nullptr);
}

std::span<const std::uint8_t> ElfImage::strings(std::size_t section) {
  Elf_Scn* found = elf_getscn(elf_.get(), section);
  return found != nullptr ? bytes_of(load(found, true)) : std::span<const std::uint8_t>{};
}

void ElfImage::read_code(Elf_Scn* section, bool linkage) {
  GElf_Shdr header = {};
  const auto bytes = bytes_of(load(section, true));
  if (gelf_getshdr(section, &header) == nullptr || bytes.empty()) return;
  if (header.sh_addr > UINT64_MAX - bytes.size()) return;
  code_.push_back({header.sh_addr, bytes, linkage});
  function_starts_.push_back(header.sh_addr);
}

void ElfImage::read_symbol_starts(Elf_Scn* section) {
  GElf_Shdr header = {};
  Elf_Data* symbols = load(section, false);
  if (symbols == nullptr || gelf_getshdr(section, &header) == nullptr || symbol_tables_.size() == 2) return;
  const SymbolTable table{symbols, strings(header.sh_link), symbols->d_size / sizeof(Elf64_Sym)};
  symbol_tables_.insert(header.sh_type == SHT_DYNSYM ? symbol_tables_.begin() : symbol_tables_.end(), table);
  for (std::size_t i = 0; i < table.count; ++i) {
    GElf_Sym symbol = {};
    if (gelf_getsym(symbols, static_cast<int>(i), &symbol) == nullptr) return;
    if (GELF_ST_TYPE(symbol.st_info) == STT_FUNC && symbol.st_value != 0) function_starts_.push_back(symbol.st_value);
  }
}

// The sorted search table of .eh_frame_hdr (LSB Core, 10.6.2) in the one encoding that linkers write.
void ElfImage::read_unwind_starts(Elf_Scn* section, std::uint64_t address) {
  constexpr std::size_t kHeaderBytes = 12;
  constexpr std::size_t kEntryBytes = 8;
  const auto table = bytes_of(load(section, true));
  if (table.size() < kHeaderBytes) return;
  if (table[0] != 1 || table[1] != 0x1b || table[2] != 0x03 || table[3] != 0x3b) return;
  const std::size_t room = (table.size() - kHeaderBytes) / kEntryBytes;
  const std::size_t count = std::min<std::size_t>(little_endian(table, 8), room);
  for (std::size_t i = 0; i < count; ++i) {
    const auto distance = static_cast<std::int32_t>(little_endian(table, kHeaderBytes + i * kEntryBytes));
    function_starts_.push_back(address + static_cast<std::uint64_t>(static_cast<std::int64_t>(distance)));
  }
}

void ElfImage::read_notes(Elf_Scn* section) {
  Elf_Data* data = load(section, false);
  const auto bytes = bytes_of(data);
  if (bytes.empty() || !build_id_.empty()) return;
  GElf_Nhdr note = {};
  std::size_t name_at = 0;
  std::size_t value_at = 0;
  for (std::size_t at = 0; (at = gelf_getnote(data, at, &note, &name_at, &value_at)) > 0;) {
    if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != 4 || note.n_descsz > kBuildIdBytes) continue;
    if (name_at + 4 > bytes.size() || value_at + note.n_descsz > bytes.size()) return;
    if (std::string_view(reinterpret_cast<const char*>(&bytes[name_at]), 3) != "GNU") continue;
    build_id_ = to_hex(bytes.subspan(value_at, note.n_descsz));
    std::transform(build_id_.begin(), build_id_.end(), build_id_.begin(), [](char digit) {
      return digit >= 'A' && digit <= 'F' ? static_cast<char>(digit - 'A' + 'a') : digit;
    });
    return;
  }
}

void ElfImage::read_soname(Elf_Scn* section, std::span<const std::uint8_t> names) {
  Elf_Data* data = load(section, false);
  if (data == nullptr) return;
  const std::size_t count = data->d_size / sizeof(Elf64_Dyn);
  for (std::size_t i = 0; i < count; ++i) {
    GElf_Dyn entry = {};
    if (gelf_getdyn(data, static_cast<int>(i), &entry) == nullptr || entry.d_tag == DT_NULL) return;
    if (entry.d_tag != DT_SONAME) continue;
    if (const auto soname = string_at(names, entry.d_un.d_val); !soname.empty()) name_ = to_printable(soname);
    return;
  }
}

void ElfImage::read_version(Elf_Scn* section) {
  constexpr std::string_view kBrand = "OpenSSL ";
  const auto bytes = bytes_of(load(section, true));
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (std::size_t at = 0; (at = text.find(kBrand, at)) != std::string_view::npos; at += kBrand.size()) {
    const std::string_view found = text.substr(at, kVersionBytes);
    const std::string_view line = found.substr(0, std::find_if_not(found.begin(), found.end(), printable) - found.begin());
    if (!starts_with_release(line.substr(kBrand.size()))) continue;
    openssl_version_ = line;
    return;
  }
}

const CodeSection* ElfImage::code_at(std::uint64_t address) const {
  const auto found = std::find_if(code_.begin(), code_.end(), [&](const auto& section) { return section.contains(address); });
  return found == code_.end() ? nullptr : &*found;
}

template <typename Wanted>
std::optional<ElfImage::Function> ElfImage::find_function(const Wanted& wanted) const {
  for (const SymbolTable& table : symbol_tables_) {
    for (std::size_t i = 0; i < table.count; ++i) {
      GElf_Sym entry = {};
      if (gelf_getsym(table.symbols, static_cast<int>(i), &entry) == nullptr) break;
      if (GELF_ST_TYPE(entry.st_info) != STT_FUNC || entry.st_shndx == SHN_UNDEF || entry.st_value == 0) continue;
      if (wanted(string_at(table.strings, entry.st_name))) return Function{entry.st_value, entry.st_size};
    }
  }
  return std::nullopt;
}

std::optional<ElfImage::Function> ElfImage::function(const std::string& symbol) const {
  return find_function([&](std::string_view name) { return name == symbol; });
}

std::optional<ElfImage::Function> ElfImage::thunk(const std::string& symbol) const {
  const std::string method = "_" + symbol.substr(2);  // _ZThn120_METHOD for _ZMETHOD
  return find_function([&](std::string_view name) { return name.starts_with("_ZThn") && name.ends_with(method); });
}

std::vector<std::uint64_t> ElfImage::slots(const std::string& symbol) const {
  std::vector<std::uint64_t> found;
  if (symbol_tables_.empty()) return found;
  const SymbolTable& dynamic = symbol_tables_.front();
  for (Elf_Data* data : relocations_) {
    for (std::size_t i = 0; i < data->d_size / sizeof(Elf64_Rela); ++i) {
      GElf_Rela entry = {};
      GElf_Sym target = {};
      if (gelf_getrela(data, static_cast<int>(i), &entry) == nullptr) break;
      const auto type = GELF_R_TYPE(entry.r_info);
      if (type != R_X86_64_JUMP_SLOT && type != R_X86_64_GLOB_DAT) continue;
      if (gelf_getsym(dynamic.symbols, static_cast<int>(GELF_R_SYM(entry.r_info)), &target) == nullptr) continue;
      if (string_at(dynamic.strings, target.st_name) == symbol) found.push_back(entry.r_offset);
      if (found.size() == kSlots) return found;
    }
  }
  return found;
}

std::optional<std::uint64_t> ElfImage::file_offset(std::uint64_t address) const {
  for (const Segment& segment : segments_) {
    const std::uint64_t within = address - segment.address;
    if (address >= segment.address && within < segment.bytes) return segment.offset + within;
  }
  return std::nullopt;
}

}  // namespace mtlswatch
