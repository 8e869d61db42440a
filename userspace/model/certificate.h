// SPDX-License-Identifier: Apache-2.0
// An X.509 certificate as a log writes it.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace mtlswatch {

/// A distinguished name: RFC 2253 text, and the attributes ECS has fields for.
struct DistinguishedName {
  std::string text;  ///< RFC 2253: "CN=alice,OU=Shop,O=Example,C=US"
  std::vector<std::string> common_name;
  std::vector<std::string> organization;
  std::vector<std::string> organizational_unit;
  std::vector<std::string> country;
};

/// A certificate that was presented. When it does not parse, parsed is false and only length and sha256 are filled
/// (the hashes are empty when not all of its bytes were captured).
struct Certificate {
  bool parsed = false;
  std::string parse_error;         ///< why not, for a human
  std::uint32_t length_bytes = 0;  ///< of the DER
  std::string sha256;              ///< over the DER, upper-case hex
  std::string sha1;                ///< likewise: what nginx calls the fingerprint
  DistinguishedName subject;
  DistinguishedName issuer;
  std::string serial_number;  ///< upper-case hex, no colons, whole bytes without leading zero bytes (BN_bn2hex)
  std::int64_t not_before_s = 0;  ///< seconds since 1970-01-01T00:00:00Z
  std::int64_t not_after_s = 0;
  std::vector<std::string> alternative_names;  ///< SAN values without type: names, URIs, addresses, in order
  std::string signature_algorithm;   ///< Go's names, as ECS asks: "SHA256-RSA", "ECDSA-SHA256"
  std::string public_key_algorithm;  ///< "RSA", "ECDSA", "Ed25519"
  std::string public_key_curve;      ///< "P-256"; empty where there is none
  int public_key_bits = 0;
  int version = 0;  ///< 3 for v3
  /// Kept where a backend's `client_ca` verifies it, else null; shared by all copies of this value.
  std::shared_ptr<const std::vector<std::uint8_t>> der;
};

/// What a peer sent, leaf first. Copies share the certificates until one is changed: every report of a connection holds its
/// client's, and copying their texts cost more than judging the request.
class CertificateChain {
 public:
  CertificateChain() = default;
  CertificateChain(std::initializer_list<Certificate> certificates)
      : certificates_(std::make_shared<std::vector<Certificate>>(certificates)) {}

  bool empty() const { return size() == 0; }
  std::size_t size() const { return certificates_ ? certificates_->size() : 0; }
  const Certificate* begin() const { return certificates_ ? certificates_->data() : nullptr; }
  const Certificate* end() const { return begin() + size(); }
  const Certificate& front() const { return certificates_->front(); }
  /// The leaf alone, shared. Empty: there is none.
  std::shared_ptr<const Certificate> leaf() const {
    return empty() ? nullptr : std::shared_ptr<const Certificate>(certificates_, &certificates_->front());
  }

  Certificate& operator[](std::size_t index) { return own()[index]; }
  void push_back(Certificate certificate) { own().push_back(std::move(certificate)); }
  void clear() { certificates_.reset(); }

 private:
  std::vector<Certificate>& own() {
    if (!certificates_) certificates_ = std::make_shared<std::vector<Certificate>>();
    if (certificates_.use_count() > 1) certificates_ = std::make_shared<std::vector<Certificate>>(*certificates_);
    return *certificates_;
  }

  std::shared_ptr<std::vector<Certificate>> certificates_;
};

}  // namespace mtlswatch
