// SPDX-License-Identifier: Apache-2.0
#include "userspace/probe/executable_scan.h"

#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "tests/unit/probe/fake_proc.h"

namespace mtlswatch {
namespace {

using ::testing::HasSubstr;

/// An ELF file of the given sections and nothing else.
std::string elf_file(std::vector<std::pair<std::string, std::string>> sections) {
  sections.emplace_back(".shstrtab", "");
  std::string names(1, '\0');
  std::vector<Elf64_Shdr> headers(1);
  std::string body;
  for (auto& [name, content] : sections) {
    Elf64_Shdr header{};
    header.sh_name = static_cast<Elf64_Word>(names.size());
    header.sh_type = SHT_PROGBITS;
    names += name + '\0';
    if (name == ".shstrtab") content = names;
    header.sh_offset = sizeof(Elf64_Ehdr) + body.size();
    header.sh_size = content.size();
    body += content;
    headers.push_back(header);
  }
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_shoff = sizeof header + body.size();
  header.e_shentsize = sizeof(Elf64_Shdr);
  header.e_shnum = static_cast<Elf64_Half>(headers.size());
  header.e_shstrndx = static_cast<Elf64_Half>(headers.size() - 1);
  std::string file(reinterpret_cast<const char*>(&header), sizeof header);
  file += body;
  file.append(reinterpret_cast<const char*>(headers.data()), headers.size() * sizeof(Elf64_Shdr));
  return file;
}

struct ExecutableScan : ::testing::Test {
  FakeProc files;
  Result<EmbeddedTls> scan(const std::string& content) {
    files.put_file("/program", content);
    return find_embedded_tls(files.on_disk("/program"));
  }
};

const std::string kOpensslNames("\0main\0SSL_do_handshake\0", 23);

TEST_F(ExecutableScan, tells_the_implementations_apart) {
  EXPECT_EQ(*scan(elf_file({{".text", "x"}})), EmbeddedTls::kNone);
  EXPECT_EQ(*scan(elf_file({{".go.buildinfo", "x"}})), EmbeddedTls::kGo);
  EXPECT_EQ(*scan(elf_file({{".go.buildinfo", "x"}, {".gopclntab", "crypto/tls.(*Conn).serverHandshake"}})), EmbeddedTls::kGo);
  EXPECT_EQ(*scan(elf_file({{".go.buildinfo", "x"}, {".gopclntab", "main.main"}})), EmbeddedTls::kNone);
  EXPECT_EQ(*scan(elf_file({{".rodata", "../ssl/statem/statem_srvr.c"}})), EmbeddedTls::kNamelessOpenssl);
  EXPECT_EQ(*scan(elf_file({{".rodata", "../ssl/statem/statem_srvr.c"}, {".strtab", kOpensslNames}})), EmbeddedTls::kOpenssl);
  EXPECT_EQ(*scan(elf_file({{".dynstr", kOpensslNames}})), EmbeddedTls::kOpenssl);
  EXPECT_EQ(*scan(elf_file({{".strtab", kOpensslNames}})), EmbeddedTls::kOpenssl);
  EXPECT_EQ(*scan(elf_file({{".strtab", std::string("\0my_SSL_do_handshake_2\0", 23)}})), EmbeddedTls::kNone);
  EXPECT_EQ(*scan(elf_file({{".strtab", kOpensslNames}, {".rodata", "OpenSSL 1.1.1 (compatible; BoringSSL)"}})),
            EmbeddedTls::kBoringssl);
  EXPECT_EQ(*scan(elf_file({{".rodata", "../../vendor/boringssl/ssl/ssl_cert.cc"}})), EmbeddedTls::kBoringssl);  // bun
  EXPECT_EQ(*scan(elf_file({{".strtab", kOpensslNames}, {".rodata", "no BoringSSL here"}})), EmbeddedTls::kOpenssl);
  EXPECT_EQ(*scan(elf_file({{".rodata", "registry/src/x/rustls-0.21.7/src/conn.rs"}})), EmbeddedTls::kRustls);
}

TEST_F(ExecutableScan, finds_a_marker_wherever_it_lies_across_reads) {
  for (std::size_t before = (1 << 18) - 70; before < (1 << 18) + 8; before += 3) {
    EXPECT_EQ(*scan(elf_file({{".rodata", std::string(before, ' ') + "/boringssl/src/"}})), EmbeddedTls::kBoringssl)
        << before;
  }
}

TEST_F(ExecutableScan, refuses_what_is_no_elf_file_and_survives_a_damaged_one) {
  EXPECT_THAT(scan("#!/bin/sh\n").error().message, HasSubstr("not a little-endian ELF64 file"));
  EXPECT_FALSE(scan(""));
  EXPECT_FALSE(find_embedded_tls("/dev/zero"));
  EXPECT_THAT(find_embedded_tls("/no/such").error().message, HasSubstr("No such file"));
  const std::string whole = elf_file({{".rodata", "text"}, {".strtab", kOpensslNames}});
  for (std::size_t size = 0; size < whole.size(); ++size) EXPECT_FALSE(scan(whole.substr(0, size))) << size;
  for (std::size_t position = 0; position < whole.size(); ++position) {
    std::string damaged = whole;
    damaged[position] = '\xff';
    static_cast<void>(scan(damaged));
  }
}

TEST_F(ExecutableScan, gives_a_reason_where_nothing_can_be_seen) {
  EXPECT_THAT(blindness_reason(EmbeddedTls::kGo), HasSubstr("Go"));
  EXPECT_THAT(blindness_reason(EmbeddedTls::kNamelessOpenssl), HasSubstr("stripped"));
  EXPECT_EQ(blindness_reason(EmbeddedTls::kOpenssl), "");
}

}  // namespace
}  // namespace mtlswatch
