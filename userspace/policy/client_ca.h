// SPDX-License-Identifier: Apache-2.0
// The agent's own verification of client certificates, by authorities that the operator names (`client_ca`), beside that of the
// proxy. It changes no verdict: where both disagree, policy says so.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/model/config.h"
#include "userspace/model/verdict.h"

struct x509_store_st;

namespace mtlswatch {

/// What X509_verify_cert says of a chain at some time.
struct ChainVerdict {
  int code = 0;               ///< X509_V_*
  std::int64_t turned_s = 0;  ///< expired, or not valid yet: when the certificate in question ended, or will begin
};

/// The authorities of one backend. Results are kept, by the fingerprints of the chain, for as long as time does not change them.
class ClientCa {
 public:
  static constexpr std::size_t kChains = 1024;  ///< results kept; when full, all are forgotten

  /// pem: one certificate or more, and text around them.
  static Result<ClientCa> from_pem(const std::string& pem);
  /// The same certificates without the text around them.
  static Result<std::string> plain_pem(const std::string& pem);

  /// chain: leaf first, with its DER. As a TLS server would verify it; an authority of ours need not be a root.
  ChainVerdict verify(const CertificateChain& chain, std::int64_t now_s);
  std::uint64_t verifications() const { return verifications_; }  ///< that were not answered from what is kept

 private:
  struct FreeStore {
    void operator()(x509_store_st* store) const;
  };
  struct Known {
    ChainVerdict verdict;
    std::int64_t from_s = 0;
    std::int64_t until_s = 0;
  };
  Known verify_now(const CertificateChain& chain, std::int64_t now_s) const;

  std::unique_ptr<x509_store_st, FreeStore> store_;
  std::map<std::string, Known> known_;  ///< by fingerprints
  std::uint64_t verifications_ = 0;
};

/// The authorities of every backend that has some.
class ClientCas {
 public:
  explicit ClientCas(const Config& config) { reconfigure(config); }
  void reconfigure(const Config& config);

  /// Fills in report.client_ca, and the violation where only the proxy verifies. A judged report whose one origin is known; of
  /// others nothing is said. utc_minus_boottime_ns: for the ends of certificates.
  void check(std::int64_t utc_minus_boottime_ns, RequestReport& report);

 private:
  std::map<std::string, ClientCa> by_backend_;
};

}  // namespace mtlswatch
