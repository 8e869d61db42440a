// SPDX-License-Identifier: Apache-2.0
#include "userspace/model/hello.h"

#include <algorithm>
#include <array>
#include <span>

namespace mtlswatch {
namespace {

struct Name {
  std::uint16_t number;
  const char* text;
};

// IANA "TLS Cipher Suites"; sorted by number.
constexpr std::array kCipherSuites = {
    Name{0x0005, "TLS_RSA_WITH_RC4_128_SHA"},
    Name{0x000A, "TLS_RSA_WITH_3DES_EDE_CBC_SHA"},
    Name{0x002F, "TLS_RSA_WITH_AES_128_CBC_SHA"},
    Name{0x0033, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA"},
    Name{0x0035, "TLS_RSA_WITH_AES_256_CBC_SHA"},
    Name{0x0039, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA"},
    Name{0x003C, "TLS_RSA_WITH_AES_128_CBC_SHA256"},
    Name{0x003D, "TLS_RSA_WITH_AES_256_CBC_SHA256"},
    Name{0x0041, "TLS_RSA_WITH_CAMELLIA_128_CBC_SHA"},
    Name{0x0067, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256"},
    Name{0x006B, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256"},
    Name{0x0084, "TLS_RSA_WITH_CAMELLIA_256_CBC_SHA"},
    Name{0x008C, "TLS_PSK_WITH_AES_128_CBC_SHA"},
    Name{0x008D, "TLS_PSK_WITH_AES_256_CBC_SHA"},
    Name{0x009C, "TLS_RSA_WITH_AES_128_GCM_SHA256"},
    Name{0x009D, "TLS_RSA_WITH_AES_256_GCM_SHA384"},
    Name{0x009E, "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"},
    Name{0x009F, "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384"},
    Name{0x00A8, "TLS_PSK_WITH_AES_128_GCM_SHA256"},
    Name{0x00A9, "TLS_PSK_WITH_AES_256_GCM_SHA384"},
    Name{0x1301, "TLS_AES_128_GCM_SHA256"},
    Name{0x1302, "TLS_AES_256_GCM_SHA384"},
    Name{0x1303, "TLS_CHACHA20_POLY1305_SHA256"},
    Name{0x1304, "TLS_AES_128_CCM_SHA256"},
    Name{0x1305, "TLS_AES_128_CCM_8_SHA256"},
    Name{0xC007, "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA"},
    Name{0xC008, "TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA"},
    Name{0xC009, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"},
    Name{0xC00A, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA"},
    Name{0xC011, "TLS_ECDHE_RSA_WITH_RC4_128_SHA"},
    Name{0xC012, "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA"},
    Name{0xC013, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"},
    Name{0xC014, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"},
    Name{0xC023, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"},
    Name{0xC024, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384"},
    Name{0xC027, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256"},
    Name{0xC028, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384"},
    Name{0xC02B, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"},
    Name{0xC02C, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"},
    Name{0xC02F, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"},
    Name{0xC030, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"},
    Name{0xC09C, "TLS_RSA_WITH_AES_128_CCM"},
    Name{0xC09D, "TLS_RSA_WITH_AES_256_CCM"},
    Name{0xC09E, "TLS_DHE_RSA_WITH_AES_128_CCM"},
    Name{0xC09F, "TLS_DHE_RSA_WITH_AES_256_CCM"},
    Name{0xC0AC, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM"},
    Name{0xC0AD, "TLS_ECDHE_ECDSA_WITH_AES_256_CCM"},
    Name{0xC0AE, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8"},
    Name{0xC0AF, "TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8"},
    Name{0xCCA8, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"},
    Name{0xCCA9, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"},
    Name{0xCCAA, "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256"},
    Name{0xCCAB, "TLS_PSK_WITH_CHACHA20_POLY1305_SHA256"},
    Name{0xCCAC, "TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256"},
};

// IANA "TLS Supported Groups"; sorted by number.
constexpr std::array kGroups = {
    Name{0x0013, "secp192r1"},
    Name{0x0015, "secp224r1"},
    Name{0x0016, "secp256k1"},
    Name{0x0017, "secp256r1"},
    Name{0x0018, "secp384r1"},
    Name{0x0019, "secp521r1"},
    Name{0x001A, "brainpoolP256r1"},
    Name{0x001B, "brainpoolP384r1"},
    Name{0x001C, "brainpoolP512r1"},
    Name{0x001D, "x25519"},
    Name{0x001E, "x448"},
    Name{0x001F, "brainpoolP256r1tls13"},
    Name{0x0020, "brainpoolP384r1tls13"},
    Name{0x0021, "brainpoolP512r1tls13"},
    Name{0x0100, "ffdhe2048"},
    Name{0x0101, "ffdhe3072"},
    Name{0x0102, "ffdhe4096"},
    Name{0x0103, "ffdhe6144"},
    Name{0x0104, "ffdhe8192"},
    Name{0x0200, "MLKEM512"},
    Name{0x0201, "MLKEM768"},
    Name{0x0202, "MLKEM1024"},
    Name{0x11EB, "SecP256r1MLKEM768"},
    Name{0x11EC, "X25519MLKEM768"},
    Name{0x11ED, "SecP384r1MLKEM1024"},
    Name{0x6399, "X25519Kyber768Draft00"},
    Name{0x639A, "SecP256r1Kyber768Draft00"},
};

constexpr bool by_number(const Name& a, const Name& b) { return a.number < b.number; }
static_assert(std::is_sorted(kCipherSuites.begin(), kCipherSuites.end(), by_number));
static_assert(std::is_sorted(kGroups.begin(), kGroups.end(), by_number));

std::string name_or_number(std::span<const Name> names, std::uint16_t number) {
  const auto found = std::lower_bound(names.begin(), names.end(), Name{number, nullptr}, by_number);
  if (found != names.end() && found->number == number) return found->text;
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string text = "0x";
  for (int shift = 12; shift >= 0; shift -= 4) text.push_back(kDigits[number >> shift & 0xf]);
  return text;
}

}  // namespace

std::string tls_version_text(std::uint16_t version) {
  if (version < 0x0301 || version > 0x0304) return {};
  return "1." + std::to_string(version - 0x0301);
}

std::string cipher_suite_text(std::uint16_t cipher_suite) { return name_or_number(kCipherSuites, cipher_suite); }

std::string group_text(std::uint16_t group) { return name_or_number(kGroups, group); }

}  // namespace mtlswatch
