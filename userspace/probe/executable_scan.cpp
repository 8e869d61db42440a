// SPDX-License-Identifier: Apache-2.0
#include "userspace/probe/executable_scan.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "userspace/base/unique_fd.h"

namespace mtlswatch {
namespace {

constexpr std::size_t kSections = 256;
constexpr std::size_t kNameTableBytes = 1 << 16;
constexpr std::uint64_t kScannedBytes = 64 << 20;  // of each section
constexpr std::size_t kChunkBytes = 1 << 18;

struct Section {
  std::string name;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

bool read_at(int fd, void* buffer, std::size_t bytes, std::uint64_t offset) {
  return ::pread(fd, buffer, bytes, static_cast<off_t>(offset)) == static_cast<ssize_t>(bytes);
}

bool is_elf64(const Elf64_Ehdr& header) {
  return std::memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 && header.e_ident[EI_CLASS] == ELFCLASS64 &&
         header.e_ident[EI_DATA] == ELFDATA2LSB && (header.e_shnum == 0 || header.e_shentsize == sizeof(Elf64_Shdr));
}

Result<std::vector<Section>> read_sections(int fd, const std::string& path) {
  Elf64_Ehdr header{};
  if (!read_at(fd, &header, sizeof header, 0) || !is_elf64(header))
    return Error{path + ": not a little-endian ELF64 file"};
  std::vector<Elf64_Shdr> headers(std::min<std::size_t>(header.e_shnum, kSections));
  const Error cut{path + ": its section headers are cut"};
  if (!headers.empty() && !read_at(fd, headers.data(), headers.size() * sizeof(Elf64_Shdr), header.e_shoff)) return cut;
  std::vector<Section> sections;
  if (header.e_shstrndx >= headers.size()) return sections;
  const Elf64_Shdr& table = headers[header.e_shstrndx];
  std::string names(std::min<std::uint64_t>(table.sh_size, kNameTableBytes), '\0');
  if (!read_at(fd, names.data(), names.size(), table.sh_offset)) return cut;
  for (const Elf64_Shdr& section : headers) {
    if (section.sh_type == SHT_NOBITS || section.sh_name >= names.size()) continue;
    sections.push_back({names.c_str() + section.sh_name, section.sh_offset, std::min(section.sh_size, kScannedBytes)});
  }
  return sections;
}

/// Whether any of the markers occurs in the section. Chunks overlap, so that none is missed between two.
bool contains(int fd, const Section* section, const std::vector<std::string_view>& markers) {
  constexpr std::size_t kOverlap = 64;
  if (section == nullptr) return false;
  std::string chunk(kChunkBytes, '\0');
  for (std::uint64_t done = 0; done < section->bytes; done += kChunkBytes - kOverlap) {
    const auto wanted = std::min<std::uint64_t>(kChunkBytes, section->bytes - done);
    const ssize_t count = ::pread(fd, chunk.data(), wanted, static_cast<off_t>(section->offset + done));
    if (count <= 0) return false;
    const std::string_view bytes(chunk.data(), static_cast<std::size_t>(count));
    for (const std::string_view marker : markers) {
      if (::memmem(bytes.data(), bytes.size(), marker.data(), marker.size()) != nullptr) return true;
    }
  }
  return false;
}

const Section* ending(const std::vector<Section>& sections, std::string_view end) {
  const auto found =
      std::find_if(sections.begin(), sections.end(), [&](const auto& section) { return section.name.ends_with(end); });
  return found == sections.end() ? nullptr : &*found;
}

const Section* named(const std::vector<Section>& sections, std::string_view name) {
  const auto found =
      std::find_if(sections.begin(), sections.end(), [&](const auto& section) { return section.name == name; });
  return found == sections.end() ? nullptr : &*found;
}

}  // namespace

Result<EmbeddedTls> find_embedded_tls(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return system_error("open " + path, errno);
  struct ::stat file {};
  if (::fstat(fd.get(), &file) != 0 || !S_ISREG(file.st_mode)) return Error{path + ": not a regular file"};
  const auto sections = read_sections(fd.get(), path);
  if (!sections) return sections.error();
  if (named(*sections, ".go.buildinfo") || named(*sections, ".note.go.buildid")) {
    const Section* functions = ending(*sections, ".gopclntab");  // names all functions, also of a stripped program
    const bool has_tls = functions == nullptr || contains(fd.get(), functions, {"crypto/tls.(*Conn)"});
    return has_tls ? EmbeddedTls::kGo : EmbeddedTls::kNone;
  }
  const Section* constants = named(*sections, ".rodata");
  if (contains(fd.get(), constants, {"(compatible; BoringSSL)", "/boringssl/src/", "/boringssl/ssl/"})) return EmbeddedTls::kBoringssl;
  static constexpr std::string_view kHandshake("\0SSL_do_handshake\0", 18);
  for (const char* table : {".dynstr", ".strtab"}) {
    if (contains(fd.get(), named(*sections, table), {kHandshake})) return EmbeddedTls::kOpenssl;
  }
  if (contains(fd.get(), constants, {"ssl/statem/statem_srvr.c"})) return EmbeddedTls::kNamelessOpenssl;
  if (contains(fd.get(), constants, {"/rustls-0.", "/rustls/src/"})) return EmbeddedTls::kRustls;
  return EmbeddedTls::kNone;
}

std::string blindness_reason(EmbeddedTls tls) {
  switch (tls) {
    case EmbeddedTls::kGo:
      return "a Go program: handshakes of crypto/tls cannot be observed";
    case EmbeddedTls::kBoringssl:
      return "BoringSSL is linked in: its handshakes cannot be observed";
    case EmbeddedTls::kRustls:
      return "rustls is linked in: its handshakes cannot be observed";
    case EmbeddedTls::kNamelessOpenssl:
      return "OpenSSL is linked in and stripped: its functions cannot be found";
    case EmbeddedTls::kNone:
    case EmbeddedTls::kOpenssl:
      break;
  }
  return "";
}

}  // namespace mtlswatch
