// SPDX-License-Identifier: Apache-2.0
// The TLS half of ecs_fields.h.
#include <openssl/x509_vfy.h>

#include "userspace/sink/ecs_fields.h"
#include "userspace/sink/timestamp.h"

namespace mtlswatch {
namespace {

void write_name(JsonWriter& json, std::string_view key, const DistinguishedName& name) {
  const auto object = json.object(key);
  json.text("distinguished_name", name.text);
  json.texts("common_name", name.common_name);
  json.texts("organization", name.organization);
  json.texts("organizational_unit", name.organizational_unit);
  json.texts("country", name.country);
}

void write_validity(JsonWriter& json, const Certificate& certificate) {
  json.text("not_before", utc_seconds(certificate.not_before_s));
  json.text("not_after", utc_seconds(certificate.not_after_s));
}

void write_x509(JsonWriter& json, const Certificate& certificate) {
  const auto x509 = json.object("x509");
  write_name(json, "subject", certificate.subject);
  write_name(json, "issuer", certificate.issuer);
  json.text("serial_number", certificate.serial_number);
  write_validity(json, certificate);
  json.text("signature_algorithm", certificate.signature_algorithm);
  json.text("public_key_algorithm", certificate.public_key_algorithm);
  json.text("public_key_curve", certificate.public_key_curve);
  if (certificate.public_key_bits > 0) json.number("public_key_size", certificate.public_key_bits);
  if (certificate.version > 0) json.text("version_number", std::to_string(certificate.version));
  json.texts("alternative_names", certificate.alternative_names);
}

/// The old names next to x509 stay in ECS, and dashboards read them.
void write_holder(JsonWriter& json, const Certificate& certificate) {
  {
    const auto hash = json.object("hash");
    json.text("sha256", certificate.sha256);
  }
  if (!certificate.parsed) return;
  json.text("subject", certificate.subject.text);
  json.text("issuer", certificate.issuer.text);
  write_validity(json, certificate);
  write_x509(json, certificate);
}

void write_client(JsonWriter& json, const Session* session, const Certificate* certificate) {
  const auto client = json.object("client");
  json.text("server_name", server_name(session));
  if (certificate == nullptr) return;
  json.repeat(Fragment::kTlsClient, certificate->sha256, [&] { write_holder(json, *certificate); });
}

void write_server_hello(JsonWriter& json, const ServerHello& hello) {
  const std::string version = tls_version_text(hello.version);
  json.text("version", version);
  if (!version.empty()) json.text("version_protocol", "tls");
  if (hello.cipher_suite != 0) json.text("cipher", cipher_suite_text(hello.cipher_suite));
  if (hello.group != 0) json.text("curve", group_text(hello.group));
  json.text("next_protocol", hello.alpn);
}

void write_established(JsonWriter& json, const Session& session) {
  const bool is_established = session.state == SessionState::kEstablished;
  if (is_established || session.tls_accepted) json.flag("established", is_established);
  if (session.resumed) json.flag("resumed", *session.resumed);
}

/// Of the certificate that failed, 0 being the client's own: as it was seen, or where the code's meaning
/// (X509_STORE_CTX_get_error(3)) or the lack of any other certificate leaves no other.
std::optional<int> verify_depth(const Session& session) {
  const int code = session.verify_code.value_or(X509_V_OK);
  if (code == X509_V_OK) return std::nullopt;
  if (session.verify_depth) return session.verify_depth;
  const bool is_alone = session.chain.size() == 1 && session.resumed == false;
  const bool is_leaf = code == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT || code == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE ||
                       (code == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY && is_alone);
  return is_leaf ? std::optional<int>(0) : std::nullopt;
}

void write_facts(JsonWriter& json, const Session& session) {
  if (session.presented) {
    json.flag("presented", *session.presented);
  } else {
    json.null("presented");
  }
  if (session.verify_code) {
    json.number("verify_code", *session.verify_code);
    json.text("verify_text", verify_text(*session.verify_code));
    if (const auto depth = verify_depth(session)) json.number("verify_depth", *depth);
  } else {
    json.null("verify_code");
    json.null("verify_text");
  }
  if (session.tls_accepted) {
    json.flag("tls_accepted", *session.tls_accepted);
  } else {
    json.null("tls_accepted");
  }
}

/// Names and fingerprint of every certificate that was sent, leaf first.
void write_chain(JsonWriter& json, const CertificateChain& chain) {
  const auto array = json.array("chain");
  for (const Certificate& certificate : chain) {
    json.repeat(Fragment::kChainLink, certificate.sha256, [&] {
      const auto object = json.item_object();
      json.text("subject", certificate.subject.text);
      json.text("issuer", certificate.issuer.text);
      json.text("serial", certificate.serial_number);
      json.text("sha256", certificate.sha256);
    });
  }
}

}  // namespace

void write_tls(JsonWriter& json, const Session* session, const Certificate* certificate) {
  const auto tls = json.object("tls");
  if (session != nullptr && session->server_hello) write_server_hello(json, *session->server_hello);
  if (session != nullptr) write_established(json, *session);
  write_client(json, session, certificate);
}

void write_hop_tls(JsonWriter& json, const Session& session) {
  const auto tls = json.object("tls");
  write_established(json, session);
  const Certificate* certificate = leaf(session);
  const auto client = json.object("client");
  if (certificate == nullptr || !certificate->parsed) return;
  json.repeat(Fragment::kX509, certificate->sha256, [&] { write_x509(json, *certificate); });
}

void write_client_certificate(JsonWriter& json, const Session* session, const Certificate* certificate) {
  const auto object = json.object("client_certificate");
  if (session != nullptr) write_facts(json, *session);
  if (session != nullptr) write_chain(json, session->chain);
  if (certificate == nullptr || certificate->parsed) return;
  json.number("length", certificate->length_bytes);
  json.text("parse_error", certificate->parse_error);
}

void write_client_hello(JsonWriter& json, const Session& session) {
  const auto object = json.object("client_hello");
  if (!session.client_hello) return;
  json.texts("alpn", session.client_hello->alpn);
  if (session.client_hello->has_early_data) json.flag("early_data", true);
  const auto groups = json.array("supported_groups");
  for (const std::uint16_t group : session.client_hello->groups) json.item(group_text(group));
}

std::string holder_text(const Certificate& certificate) {
  if (!certificate.subject.text.empty()) return certificate.subject.text;
  return certificate.alternative_names.empty() ? std::string() : certificate.alternative_names.front();
}

const Certificate* leaf(const Session& session) { return session.chain.empty() ? nullptr : &session.chain.front(); }

std::string_view server_name(const Session* session) {
  return session != nullptr && session->client_hello ? std::string_view(session->client_hello->server_name)
                                                     : std::string_view();
}

std::string verify_text(int verify_code) { return X509_verify_cert_error_string(verify_code); }

}  // namespace mtlswatch
