// SPDX-License-Identifier: Apache-2.0
// The agent's own verification, with real certificates: a root, an authority below it, and clients of both.
#include "userspace/policy/client_ca.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

namespace mtlswatch {
namespace {

constexpr std::int64_t kNow = 1'795'000'000, kDay = 86'400;
constexpr std::int64_t kUtcMinusBoottimeNs = (kNow - 1000) * 1'000'000'000;
constexpr std::uint64_t kNowNs = 1000'000'000'000;  // on the kernel's clock

struct Free {
  void operator()(EVP_PKEY* value) const { EVP_PKEY_free(value); }
  void operator()(X509* value) const { X509_free(value); }
};

struct Holder {
  std::unique_ptr<EVP_PKEY, Free> key{EVP_EC_gen("P-256")};
  std::unique_ptr<X509, Free> x509{X509_new()};
};

/// ends_s: from kNow on. issuer: null for a root.
Holder issue(const char* name, const Holder* issuer, bool is_authority, std::int64_t ends_s = 100 * kDay, std::int64_t begins_s = -kDay) {
  static long serial = 0;
  Holder made;
  X509* x = made.x509.get();
  X509_set_version(x, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
  ASN1_TIME_set(X509_getm_notBefore(x), kNow + begins_s);
  ASN1_TIME_set(X509_getm_notAfter(x), kNow + ends_s);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
  X509_set_issuer_name(x, X509_get_subject_name(issuer ? issuer->x509.get() : x));
  X509_set_pubkey(x, made.key.get());
  X509_EXTENSION* constraints = X509V3_EXT_conf_nid(nullptr, nullptr, NID_basic_constraints, is_authority ? "critical,CA:TRUE" : "CA:FALSE");
  X509_add_ext(x, constraints, -1);
  X509_EXTENSION_free(constraints);
  X509_sign(x, issuer ? issuer->key.get() : made.key.get(), EVP_sha256());
  return made;
}

std::string pem(const Holder& holder) {
  BIO* out = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(out, holder.x509.get());
  char* text = nullptr;
  const long size = BIO_get_mem_data(out, &text);
  std::string result(text, static_cast<std::size_t>(size));
  BIO_free(out);
  return result;
}

Certificate captured(const Holder& holder) {
  Certificate certificate;
  unsigned char* bytes = nullptr;
  const int size = i2d_X509(holder.x509.get(), &bytes);
  certificate.parsed = true;
  certificate.der = std::make_shared<const std::vector<std::uint8_t>>(bytes, bytes + size);
  certificate.sha256.assign(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
  OPENSSL_free(bytes);
  return certificate;
}

class ClientCaTest : public testing::Test {
 protected:
  /// A verified client's request, now; the handshake was a full one, a moment ago.
  RequestReport request(const std::vector<const Holder*>& chain) {
    RequestReport report;
    report.backend = "shop";
    report.verdict = Verdict::kAuthenticated;
    report.reason = Reason::kVerifiedClientCertificate;
    report.time_ns = kNowNs;
    Session& session = report.origin.emplace();
    session.presented = true;
    session.verify_code = X509_V_OK;
    session.resumed = false;
    session.finished_ns = kNowNs - 1'000'000'000;
    session.has_whole_chain = true;
    for (const Holder* holder : chain) session.chain.push_back(captured(*holder));
    return report;
  }

  RequestReport checked(RequestReport report, const std::string& authorities) {
    Config config;
    BackendConfig& shop = config.backends.emplace_back();
    shop.name = "shop";
    shop.client_ca = authorities;
    ClientCas(config).check(kUtcMinusBoottimeNs, report);
    return report;
  }

  Holder root = issue("root", nullptr, true), middle = issue("middle", &root, true);
  Holder alice = issue("alice", &root, false), dora = issue("dora", &middle, false);
  Holder foreign_root = issue("foreign root", nullptr, true), mallory = issue("mallory", &foreign_root, false);
};

using Codes = std::pair<std::optional<int>, std::string>;
Codes said(const RequestReport& report) { return {report.client_ca->verify_code, report.client_ca->disagreement}; }

TEST_F(ClientCaTest, keeps_the_certificates_of_a_bundle_without_the_text_around_them) {
  const auto plain = ClientCa::plain_pem("# our own\n" + pem(root) + "\nsubject=foreign\n" + pem(foreign_root) + "end\n");
  ASSERT_TRUE(plain) << plain.error().message;
  EXPECT_EQ(*plain, pem(root) + pem(foreign_root));
  EXPECT_EQ(*ClientCa::plain_pem(*plain), *plain);
  EXPECT_FALSE(ClientCa::plain_pem("no certificate"));
}

TEST_F(ClientCaTest, what_both_verify_is_agreed_on) {
  EXPECT_EQ(said(checked(request({&alice}), pem(root))), (Codes{X509_V_OK, ""}));
  EXPECT_EQ(said(checked(request({&dora, &middle}), pem(root))), (Codes{X509_V_OK, ""}));
  EXPECT_EQ(said(checked(request({&dora}), pem(middle))), (Codes{X509_V_OK, ""})) << "an authority of ours need not be a root";
}

TEST_F(ClientCaTest, an_authority_that_only_the_proxy_trusts_is_a_disagreement) {
  const RequestReport report = checked(request({&mallory}), pem(root));
  EXPECT_EQ(said(report), (Codes{X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, "verified_by_proxy_only"}));
  EXPECT_EQ(report.violations, std::vector<std::string>{"verified_by_proxy_only"});
  EXPECT_EQ(report.verdict, Verdict::kAuthenticated) << "it changes no verdict";
}

TEST_F(ClientCaTest, a_forged_signature_is_a_disagreement) {
  Holder forged = issue("alice", &root, false);
  X509_sign(forged.x509.get(), foreign_root.key.get(), EVP_sha256());
  EXPECT_EQ(said(checked(request({&forged}), pem(root))), (Codes{X509_V_ERR_CERT_SIGNATURE_FAILURE, "verified_by_proxy_only"}));
}

TEST_F(ClientCaTest, what_is_known_in_part_is_not_checked) {
  RequestReport resumed = request({&dora});  // a ticket holds the leaf alone
  resumed.origin->has_whole_chain = false;
  EXPECT_EQ(said(checked(resumed, pem(root))), (Codes{std::nullopt, ""}));
  RequestReport cut = request({&alice});
  cut.origin->chain[0].der.reset();
  EXPECT_EQ(said(checked(cut, pem(root))), (Codes{std::nullopt, ""}));
  RequestReport whole = request({&alice});  // the leaf alone leads to our authority
  whole.origin->has_whole_chain = false;
  EXPECT_EQ(said(checked(whole, pem(root))), (Codes{X509_V_OK, ""}));
}

TEST_F(ClientCaTest, nothing_is_said_without_a_certificate_of_one_client) {
  RequestReport nobody = request({});
  nobody.origin->presented = false;
  EXPECT_FALSE(checked(nobody, pem(root)).client_ca);
  RequestReport one_of = request({&alice});
  one_of.origin.reset();
  EXPECT_FALSE(checked(one_of, pem(root)).client_ca);
  EXPECT_FALSE(checked(request({&alice}), "").client_ca);
  RequestReport proxys = request({&mallory});  // a certificate that stands for a proxy
  proxys.reason = Reason::kPeerNotMonitored;
  EXPECT_FALSE(checked(proxys, pem(root)).client_ca);
}

TEST_F(ClientCaTest, who_expires_while_connected_is_told_and_accuses_no_proxy) {
  Holder ending = issue("ending", &root, false, -1);
  RequestReport report = request({&ending});
  report.origin->finished_ns = kNowNs - 10'000'000'000;
  EXPECT_EQ(said(checked(report, pem(root))), (Codes{X509_V_ERR_CERT_HAS_EXPIRED, ""}));
  report.origin->finished_ns = kNowNs;  // it had ended when the proxy verified it
  EXPECT_EQ(said(checked(report, pem(root))), (Codes{X509_V_ERR_CERT_HAS_EXPIRED, "verified_by_proxy_only"}));
  report.origin->resumed = true;  // when that was is not known
  EXPECT_EQ(said(checked(report, pem(root))), (Codes{X509_V_ERR_CERT_HAS_EXPIRED, ""}));
}

TEST_F(ClientCaTest, an_authority_that_was_renewed_is_found_whichever_comes_first) {
  Holder ended = issue("root", nullptr, true, -1);
  X509_set_pubkey(ended.x509.get(), root.key.get());
  X509_sign(ended.x509.get(), root.key.get(), EVP_sha256());
  EXPECT_EQ(said(checked(request({&alice}), pem(ended) + pem(root))), (Codes{X509_V_OK, ""}));
}

TEST_F(ClientCaTest, a_client_that_only_the_proxy_refuses_is_a_disagreement) {
  RequestReport report = request({&alice});
  report.verdict = Verdict::kBypass;
  report.reason = Reason::kClientCertificateNotVerified;
  report.origin->verify_code = X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY;
  EXPECT_EQ(said(checked(report, pem(root))), (Codes{X509_V_OK, "not_verified_by_proxy"}));
  report.origin->verify_code = X509_V_ERR_CERT_REVOKED;  // the proxy has a list that we have not
  EXPECT_EQ(said(checked(report, pem(root))), (Codes{X509_V_OK, ""}));
}

TEST_F(ClientCaTest, a_chain_is_verified_once_while_time_changes_nothing) {
  auto authorities = ClientCa::from_pem(pem(root));
  ASSERT_TRUE(authorities);
  const CertificateChain good{captured(alice)}, bad{captured(mallory)};
  for (int at = 0; at < 100; ++at) {
    EXPECT_EQ(authorities->verify(good, kNow + at).code, X509_V_OK);
    authorities->verify(bad, kNow + at / 10);
  }
  EXPECT_EQ(authorities->verifications(), 2u);
  EXPECT_EQ(authorities->verify(good, kNow + 100 * kDay).code, X509_V_ERR_CERT_HAS_EXPIRED);
  EXPECT_EQ(authorities->verify(good, kNow - 2 * kDay).code, X509_V_ERR_CERT_NOT_YET_VALID);
}

TEST(ClientCaPem, that_holds_no_certificate_is_refused) {
  EXPECT_FALSE(ClientCa::from_pem(""));
  EXPECT_FALSE(ClientCa::from_pem("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"));
  EXPECT_FALSE(ClientCa::from_pem(pem(issue("root", nullptr, true)) + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"));
}

}  // namespace
}  // namespace mtlswatch
