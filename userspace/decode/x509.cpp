// SPDX-License-Identifier: Apache-2.0
#include "userspace/decode/x509.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <ctime>
#include <limits>
#include <memory>
#include <string_view>

#include "userspace/base/hex.h"
#include "userspace/model/address.h"

namespace mtlswatch {
namespace {

struct Free {
  void operator()(X509* value) const { X509_free(value); }
  void operator()(BIO* value) const { BIO_free(value); }
  void operator()(BIGNUM* value) const { BN_free(value); }
  void operator()(char* value) const { OPENSSL_free(value); }
  void operator()(unsigned char* value) const { OPENSSL_free(value); }
  void operator()(GENERAL_NAMES* value) const { GENERAL_NAMES_free(value); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

constexpr unsigned long kNameFlags = XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB);
/// Without conversion to UTF-8, for strings that are not what their type says.
constexpr unsigned long kRawNameFlags = XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_UTF8_CONVERT);

std::string last_error() {
  char text[256] = "not a certificate";
  if (const unsigned long code = ERR_peek_error()) ERR_error_string_n(code, text, sizeof text);
  return text;
}

std::string print_name(const X509_NAME* name, unsigned long flags) {
  const Owned<BIO> out(BIO_new(BIO_s_mem()));
  if (!out || X509_NAME_print_ex(out.get(), name, 0, flags) < 0) return {};
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return size > 0 ? std::string(text, static_cast<std::size_t>(size)) : std::string();
}

/// Values of one attribute, in the order of the certificate, as UTF-8.
std::vector<std::string> attributes(const X509_NAME* name, int nid) {
  std::vector<std::string> values;
  for (int at = X509_NAME_get_index_by_NID(name, nid, -1); at >= 0; at = X509_NAME_get_index_by_NID(name, nid, at)) {
    unsigned char* raw = nullptr;
    const int size = ASN1_STRING_to_UTF8(&raw, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    const Owned<unsigned char> text(raw);
    if (size > 0) values.emplace_back(reinterpret_cast<const char*>(raw), static_cast<std::size_t>(size));
  }
  return values;
}

DistinguishedName read_name(const X509_NAME* name) {
  DistinguishedName result;
  result.text = print_name(name, kNameFlags);
  if (result.text.empty()) result.text = print_name(name, kRawNameFlags);
  result.common_name = attributes(name, NID_commonName);
  result.organization = attributes(name, NID_organizationName);
  result.organizational_unit = attributes(name, NID_organizationalUnitName);
  result.country = attributes(name, NID_countryName);
  return result;
}

/// Upper-case hexadecimal of whole bytes, as `openssl x509 -serial` and nginx's $ssl_client_serial print it.
std::string serial_text(const ASN1_INTEGER* serial) {
  const Owned<BIGNUM> number(ASN1_INTEGER_to_BN(serial, nullptr));
  const Owned<char> text(number ? BN_bn2hex(number.get()) : nullptr);
  return text ? text.get() : "";
}

std::int64_t seconds(const ASN1_TIME* time) {
  std::tm calendar{};
  return time != nullptr && ASN1_TIME_to_tm(time, &calendar) == 1 ? timegm(&calendar) : 0;
}

/// An IA5String; what is not printable ASCII is written as \xNN.
std::string ascii_text(const ASN1_STRING* value) {
  const auto size = static_cast<std::size_t>(ASN1_STRING_length(value));
  std::string text;
  for (const std::uint8_t byte : std::span(ASN1_STRING_get0_data(value), size)) {
    const bool printable = byte >= 0x20 && byte < 0x7f;
    text += printable ? std::string(1, static_cast<char>(byte)) : "\\x" + to_hex(std::span(&byte, 1));
  }
  return text;
}

std::string address_text(const ASN1_OCTET_STRING* value) {
  const int size = ASN1_STRING_length(value);
  if (size == 4) return IpAddress::v4(ASN1_STRING_get0_data(value)).text();
  if (size == 16) return IpAddress::v6(ASN1_STRING_get0_data(value)).text();
  return {};
}

std::vector<std::string> alternative_names(const X509* certificate) {
  std::vector<std::string> texts;
  const Owned<GENERAL_NAMES> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int at = 0; names && at < sk_GENERAL_NAME_num(names.get()); ++at) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), at);
    std::string text;
    if (name->type == GEN_DNS || name->type == GEN_URI || name->type == GEN_EMAIL) text = ascii_text(name->d.ia5);
    if (name->type == GEN_IPADD) text = address_text(name->d.iPAddress);
    if (!text.empty()) texts.push_back(std::move(text));
  }
  return texts;
}

std::string digest_name(int nid) {
  switch (nid) {
    case NID_md5: return "MD5";
    case NID_sha1: return "SHA1";
    case NID_sha224: return "SHA224";
    case NID_sha256: return "SHA256";
    case NID_sha384: return "SHA384";
    case NID_sha512: return "SHA512";
    default: return {};
  }
}

/// Go's crypto/x509 names, as ECS asks; OpenSSL's short name where Go has none.
std::string signature_algorithm(X509* certificate) {
  int digest_nid = NID_undef, key_nid = NID_undef;
  const bool known = X509_get_signature_info(certificate, &digest_nid, &key_nid, nullptr, nullptr) == 1 || key_nid != NID_undef;
  const std::string digest = digest_name(digest_nid);
  if (known && key_nid == NID_ED25519) return "Ed25519";
  if (known && !digest.empty()) {
    if (key_nid == NID_rsaEncryption) return digest + "-RSA";
    if (key_nid == NID_rsassaPss) return digest + "-RSAPSS";
    if (key_nid == NID_X9_62_id_ecPublicKey) return "ECDSA-" + digest;
    if (key_nid == NID_dsa) return "DSA-" + digest;
  }
  const char* name = OBJ_nid2sn(X509_get_signature_nid(certificate));
  return name != nullptr && std::string_view(name) != "UNDEF" ? name : "";
}

std::string curve_name(EVP_PKEY* key) {
  char group[64] = {};
  if (EVP_PKEY_get_group_name(key, group, sizeof group, nullptr) != 1) return {};
  const char* nist = EC_curve_nid2nist(OBJ_txt2nid(group));
  return nist != nullptr ? nist : group;
}

void read_key(const X509* certificate, Certificate& result) {
  EVP_PKEY* key = X509_get0_pubkey(certificate);
  if (key == nullptr) return;
  result.public_key_bits = EVP_PKEY_get_bits(key);
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
    case EVP_PKEY_RSA_PSS: result.public_key_algorithm = "RSA"; break;
    case EVP_PKEY_EC:
      result.public_key_algorithm = "ECDSA";
      result.public_key_curve = curve_name(key);
      break;
    case EVP_PKEY_ED25519: result.public_key_algorithm = "Ed25519"; break;
    case EVP_PKEY_ED448: result.public_key_algorithm = "Ed448"; break;
    case EVP_PKEY_DSA: result.public_key_algorithm = "DSA"; break;
    default: break;
  }
}

std::string digest_text(std::span<const std::uint8_t> der, const EVP_MD* kind) {
  std::uint8_t digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (EVP_Digest(der.data(), der.size(), digest, &size, kind, nullptr) != 1) return {};
  return to_hex(std::span(digest, size));
}

void read_fields(X509* certificate, Certificate& result) {
  result.subject = read_name(X509_get_subject_name(certificate));
  result.issuer = read_name(X509_get_issuer_name(certificate));
  result.serial_number = serial_text(X509_get0_serialNumber(certificate));
  result.not_before_s = seconds(X509_get0_notBefore(certificate));
  result.not_after_s = seconds(X509_get0_notAfter(certificate));
  result.alternative_names = alternative_names(certificate);
  result.signature_algorithm = signature_algorithm(certificate);
  result.version = static_cast<int>(X509_get_version(certificate) + 1);
  read_key(certificate, result);
}

}  // namespace

Certificate parse_certificate(std::span<const std::uint8_t> der) {
  Certificate result;
  result.length_bytes = static_cast<std::uint32_t>(der.size());
  result.sha256 = digest_text(der, EVP_sha256());
  result.sha1 = digest_text(der, EVP_sha1());
  ERR_clear_error();
  const unsigned char* end = der.data();
  const bool fits = der.size() <= static_cast<std::size_t>(std::numeric_limits<long>::max());
  const Owned<X509> certificate(fits && !der.empty() ? d2i_X509(nullptr, &end, static_cast<long>(der.size())) : nullptr);
  if (!certificate) {
    result.parse_error = last_error();
  } else if (const auto used = static_cast<std::size_t>(end - der.data()); used != der.size()) {
    result.parse_error = std::to_string(der.size() - used) + " bytes after the certificate";
  } else {
    result.parsed = true;
    read_fields(certificate.get(), result);
  }
  ERR_clear_error();
  return result;
}

}  // namespace mtlswatch
