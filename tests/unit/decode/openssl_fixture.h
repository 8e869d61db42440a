// SPDX-License-Identifier: Apache-2.0
// Real certificates and real handshakes, made with OpenSSL while the tests run.
#pragma once

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace mtlswatch::test {

struct OpensslFree {
  void operator()(EVP_PKEY* value) const { EVP_PKEY_free(value); }
  void operator()(X509* value) const { X509_free(value); }
  void operator()(SSL_CTX* value) const { SSL_CTX_free(value); }
  void operator()(SSL* value) const { SSL_free(value); }
  void operator()(SSL_SESSION* value) const { SSL_SESSION_free(value); }
};
using Key = std::unique_ptr<EVP_PKEY, OpensslFree>;

inline Key rsa_key(unsigned bits = 2048) { return Key(EVP_RSA_gen(bits)); }
inline Key ec_key(const char* curve = "P-256") { return Key(EVP_EC_gen(curve)); }
inline Key ed25519_key() { return Key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")); }

struct CertificateRequest {
  std::string common_name = "alice";
  std::string organization = {};
  std::string alternative_names = {};  ///< OpenSSL's syntax: "DNS:a,URI:spiffe://b"
  std::string serial_hex = "01";
  const EVP_MD* digest = EVP_sha256();
};

inline std::unique_ptr<X509, OpensslFree> make_certificate(const Key& key, const CertificateRequest& request = {}) {
  std::unique_ptr<X509, OpensslFree> certificate(X509_new());
  X509* x = certificate.get();
  X509_set_version(x, 2);
  BIGNUM* serial = nullptr;
  BN_hex2bn(&serial, request.serial_hex.c_str());
  BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(x));
  BN_free(serial);
  ASN1_TIME_set_string_X509(X509_getm_notBefore(x), "20250102030405Z");
  ASN1_TIME_set_string_X509(X509_getm_notAfter(x), "20991231235959Z");
  const auto add = [x](const char* field, const std::string& value) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(value.data());
    if (!value.empty())
      X509_NAME_add_entry_by_txt(X509_get_subject_name(x), field, MBSTRING_UTF8, bytes, static_cast<int>(value.size()),
                                 -1, 0);
  };
  add("C", "US");
  add("O", request.organization);
  add("CN", request.common_name);
  X509_set_issuer_name(x, X509_get_subject_name(x));
  X509_set_pubkey(x, key.get());
  if (!request.alternative_names.empty()) {
    X509_EXTENSION* names =
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, request.alternative_names.c_str());
    X509_add_ext(x, names, -1);
    X509_EXTENSION_free(names);
  }
  X509_sign(x, key.get(), request.digest);
  return certificate;
}

inline std::vector<std::uint8_t> der_of(X509* certificate) {
  std::vector<std::uint8_t> der(static_cast<std::size_t>(i2d_X509(certificate, nullptr)));
  unsigned char* end = der.data();
  i2d_X509(certificate, &end);
  return der;
}

inline std::vector<std::uint8_t> make_der(const Key& key, const CertificateRequest& request = {}) {
  return der_of(make_certificate(key, request).get());
}

/// A client and a server over memory; what each sent, flight by flight.
class Handshake {
 public:
  explicit Handshake(int version) {
    const Key key = ec_key();
    const auto certificate = make_certificate(key);
    SSL_CTX_use_certificate(server_context_.get(), certificate.get());
    SSL_CTX_use_PrivateKey(server_context_.get(), key.get());
    for (SSL_CTX* context : {client_context_.get(), server_context_.get()}) {
      SSL_CTX_set_min_proto_version(context, version);
      SSL_CTX_set_max_proto_version(context, version);
    }
    SSL_CTX_set_alpn_select_cb(server_context_.get(), choose_http, nullptr);
  }

  SSL_CTX* client_context() { return client_context_.get(); }
  SSL_CTX* server_context() { return server_context_.get(); }

  /// Runs the handshake; the bytes stay until the next run. prepare may change the client before it begins.
  void run(const std::function<void(SSL*)>& prepare = {}) {
    client_flights.clear();
    server_flights.clear();
    const std::unique_ptr<SSL, OpensslFree> client(SSL_new(client_context_.get())),
        server(SSL_new(server_context_.get()));
    for (SSL* ssl : {client.get(), server.get()}) SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(client.get());
    SSL_set_accept_state(server.get());
    SSL_set_tlsext_host_name(client.get(), "Shop.Example");
    const unsigned char alpn[] = "\x02h2\x08http/1.1";
    SSL_set_alpn_protos(client.get(), alpn, sizeof alpn - 1);
    if (prepare) prepare(client.get());
    for (int round = 0; round < 4; ++round) {
      SSL_do_handshake(client.get());
      move_bytes(client.get(), server.get(), client_flights);
      SSL_do_handshake(server.get());
      move_bytes(server.get(), client.get(), server_flights);
    }
    char byte = 0;
    SSL_read(client.get(), &byte, 1);  // takes the tickets of TLS 1.3
    established = SSL_is_init_finished(client.get()) == 1;
    session.reset(SSL_get1_session(client.get()));
    // Without a closing alert OpenSSL takes the session for one that must not be resumed.
    for (SSL* ssl : {client.get(), server.get()}) SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  }

  std::vector<std::string> client_flights;
  std::vector<std::string> server_flights;
  bool established = false;
  std::unique_ptr<SSL_SESSION, OpensslFree> session;

 private:
  static int choose_http(SSL*, const unsigned char** out, unsigned char* size, const unsigned char*, unsigned, void*) {
    *out = reinterpret_cast<const unsigned char*>("http/1.1");
    *size = 8;
    return SSL_TLSEXT_ERR_OK;
  }

  static void move_bytes(SSL* from, SSL* to, std::vector<std::string>& flights) {
    std::string bytes(65536, '\0');
    const int count = BIO_read(SSL_get_wbio(from), bytes.data(), static_cast<int>(bytes.size()));
    if (count <= 0) return;
    bytes.resize(static_cast<std::size_t>(count));
    BIO_write(SSL_get_rbio(to), bytes.data(), count);
    flights.push_back(std::move(bytes));
  }

  std::unique_ptr<SSL_CTX, OpensslFree> client_context_{SSL_CTX_new(TLS_client_method())};
  std::unique_ptr<SSL_CTX, OpensslFree> server_context_{SSL_CTX_new(TLS_server_method())};
};

}  // namespace mtlswatch::test
