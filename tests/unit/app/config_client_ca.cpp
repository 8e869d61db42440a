// SPDX-License-Identifier: Apache-2.0
// client_ca: what is kept of a bundle, and how much of it.
#include <gmock/gmock.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "tests/unit/app/config_directory.h"
#include "userspace/app/yaml_reader.h"

namespace mtlswatch {
namespace {

using testing::HasSubstr;

/// PEM of a certificate, the same at every call.
const std::string& authority() {
  static const std::string text = [] {
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* certificate = X509_new();
    X509_set_pubkey(certificate, key);
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_sign(certificate, key, EVP_sha256());
    BIO* out = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(out, certificate);
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(out, &bytes);
    std::string pem(bytes, static_cast<std::size_t>(size));
    BIO_free(out);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return pem;
  }();
  return text;
}

TEST(ClientCaConfig, keeps_the_certificates_of_client_ca_and_reads_them_back) {
  const ConfigDirectory directory;
  const std::string backend = "backends: [{name: a, match: {uid: 1, pod_labels: {canary: \"\"}}, client_ca: " + directory.file("ca.pem") + "}]\n";
  directory.write("main.yaml", backend + "kubernetes: {node: n1}\n");
  directory.write("ca.pem", "some text\n" + authority() + "more text\n");
  const auto config = directory.load();
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->backends[0].client_ca, authority());
  const auto again = parse_config(effective_config(*config), "again");
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->backends[0].client_ca, authority());
  EXPECT_EQ(again->backends[0].match->pod_labels, (std::map<std::string, std::string>{{"canary", ""}}));
}

TEST(ClientCaConfig, refuses_authorities_that_are_too_many) {
  const ConfigDirectory directory;
  std::string bundle;
  while (bundle.size() < kYamlBytes / 3) bundle += authority();
  directory.write("ca.pem", bundle);
  const auto backend = [&](const char* name) { return std::string("  - {name: ") + name + ", match: {uid: 1}, client_ca: " + directory.file("ca.pem") + "}\n"; };
  directory.write("main.yaml", "backends:\n" + backend("a"));
  ASSERT_TRUE(directory.load());
  directory.write("main.yaml", "backends:\n" + backend("a") + backend("b"));
  const auto two = directory.load();
  ASSERT_FALSE(two);
  EXPECT_THAT(two.error().message, HasSubstr(":3:12: \"client_ca\" of the backends up to \"b\""));
  directory.write("ca.pem", authority() + std::string(kYamlBytes, ' '));
  directory.write("main.yaml", "backends:\n" + backend("a"));
  const auto long_file = directory.load();
  ASSERT_FALSE(long_file) << "what was read of it is not taken for all of it";
  EXPECT_THAT(long_file.error().message, HasSubstr("is too large"));
}

}  // namespace
}  // namespace mtlswatch
