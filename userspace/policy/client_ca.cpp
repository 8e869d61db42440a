// SPDX-License-Identifier: Apache-2.0
#include "userspace/policy/client_ca.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>

#include <algorithm>
#include <ctime>
#include <limits>

namespace mtlswatch {
namespace {

constexpr std::int64_t kSecondNs = 1'000'000'000;
constexpr std::int64_t kFailureHoldsS = 60;

struct Free {
  void operator()(X509* value) const { X509_free(value); }
  void operator()(BIO* value) const { BIO_free(value); }
  void operator()(X509_STORE_CTX* value) const { X509_STORE_CTX_free(value); }
  void operator()(STACK_OF(X509) * value) const { sk_X509_pop_free(value, X509_free); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

std::int64_t seconds(const ASN1_TIME* time) {
  std::tm calendar{};
  return time != nullptr && ASN1_TIME_to_tm(time, &calendar) == 1 ? timegm(&calendar) : 0;
}

Owned<X509> decoded(const Certificate& certificate) {
  const unsigned char* data = certificate.der->data();
  return Owned<X509>(d2i_X509(nullptr, &data, static_cast<long>(certificate.der->size())));
}

bool is_captured(const CertificateChain& chain) {
  return !chain.empty() && std::all_of(chain.begin(), chain.end(), [](const Certificate& each) { return each.parsed && each.der; });
}

bool is_about_time(int code) { return code == X509_V_ERR_CERT_HAS_EXPIRED || code == X509_V_ERR_CERT_NOT_YET_VALID; }

/// No way from the leaf to an authority was found: a certificate in between may be missing, or there is none.
bool is_about_the_way(int code) {
  constexpr int kCodes[] = {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
                            X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
                            X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN};
  return std::find(std::begin(kCodes), std::end(kCodes), code) != std::end(kCodes);
}

bool is_let_in(Reason reason) {
  return reason == Reason::kVerifiedClientCertificate || reason == Reason::kIdentityHeaderSpoofed ||
         reason == Reason::kResumedUnderOtherName;
}

/// The proxy verified at the handshake, we do for the request: time alone may have passed in between. When a resumed session was
/// verified is not known.
bool only_time_has_passed(const ChainVerdict& own, const Session& session, std::int64_t handshake_s) {
  if (!is_about_time(own.code)) return false;
  if (session.resumed != false) return true;
  return own.code == X509_V_ERR_CERT_HAS_EXPIRED ? handshake_s < own.turned_s : handshake_s >= own.turned_s;
}

int no_password(char*, int, int, void*) { return 0; }  // OpenSSL's own would ask at the terminal

Result<std::vector<Owned<X509>>> read_authorities(const std::string& pem) {
  const Owned<BIO> in(BIO_new_mem_buf(pem.data(), static_cast<int>(std::min<std::size_t>(pem.size(), std::numeric_limits<int>::max()))));
  if (!in) return Error{"out of memory"};
  std::vector<Owned<X509>> found;
  while (Owned<X509> authority{PEM_read_bio_X509(in.get(), nullptr, no_password, nullptr)}) found.push_back(std::move(authority));
  const bool is_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (found.empty()) return Error{"holds no certificate in PEM"};
  if (!is_end) return Error{"has a certificate that cannot be read, behind " + std::to_string(found.size()) + " others"};
  return found;
}

}  // namespace

void ClientCa::FreeStore::operator()(x509_store_st* store) const { X509_STORE_free(store); }

Result<ClientCa> ClientCa::from_pem(const std::string& pem) {
  const auto authorities = read_authorities(pem);
  if (!authorities) return authorities.error();
  ClientCa result;
  result.store_.reset(X509_STORE_new());
  if (!result.store_) return Error{"out of memory"};
  X509_STORE_set_flags(result.store_.get(), X509_V_FLAG_PARTIAL_CHAIN);
  for (const Owned<X509>& authority : *authorities) X509_STORE_add_cert(result.store_.get(), authority.get());
  return result;
}

Result<std::string> ClientCa::plain_pem(const std::string& pem) {
  const auto authorities = read_authorities(pem);
  if (!authorities) return authorities.error();
  const Owned<BIO> out(BIO_new(BIO_s_mem()));
  for (const Owned<X509>& authority : *authorities) {
    if (!out || PEM_write_bio_X509(out.get(), authority.get()) != 1) return Error{"out of memory"};
  }
  char* text = nullptr;
  const long bytes = BIO_get_mem_data(out.get(), &text);
  return std::string(text, static_cast<std::size_t>(bytes));
}

ChainVerdict ClientCa::verify(const CertificateChain& chain, std::int64_t now_s) {
  std::string key;
  for (const Certificate& certificate : chain) key += certificate.sha256;
  const auto known = known_.find(key);
  if (known != known_.end() && now_s >= known->second.from_s && now_s < known->second.until_s) return known->second.verdict;
  if (known_.size() >= kChains) known_.clear();
  ++verifications_;
  return (known_[key] = verify_now(chain, now_s)).verdict;
}

ClientCa::Known ClientCa::verify_now(const CertificateChain& chain, std::int64_t now_s) const {
  const Owned<X509> leaf = decoded(chain.front());
  const Owned<STACK_OF(X509)> others(sk_X509_new_null());
  for (const Certificate* sent = chain.begin() + 1; sent < chain.end(); ++sent) {
    Owned<X509> other = decoded(*sent);
    if (other && sk_X509_push(others.get(), other.get()) > 0) other.release();
  }
  const Owned<X509_STORE_CTX> context(X509_STORE_CTX_new());
  X509_STORE_CTX_init(context.get(), store_.get(), leaf.get(), others.get());
  X509_STORE_CTX_set_default(context.get(), "ssl_client");
  X509_STORE_CTX_set_time(context.get(), 0, now_s);
  const bool is_good = X509_verify_cert(context.get()) == 1;
  ERR_clear_error();
  Known result{{is_good ? X509_V_OK : X509_STORE_CTX_get_error(context.get()), 0}, now_s, now_s + kFailureHoldsS};
  const X509* guilty = X509_STORE_CTX_get_current_cert(context.get());
  if (!is_good && guilty != nullptr && is_about_time(result.verdict.code)) {
    const bool is_over = result.verdict.code == X509_V_ERR_CERT_HAS_EXPIRED;
    result.verdict.turned_s = seconds(is_over ? X509_get0_notAfter(guilty) : X509_get0_notBefore(guilty));
  }
  if (!is_good) return result;
  result.until_s = std::numeric_limits<std::int64_t>::max();
  const STACK_OF(X509)* built = X509_STORE_CTX_get0_chain(context.get());
  for (int at = 0; at < sk_X509_num(built); ++at)
    result.until_s = std::min(result.until_s, seconds(X509_get0_notAfter(sk_X509_value(built, at))));
  return result;
}

void ClientCas::reconfigure(const Config& config) {
  by_backend_.clear();
  for (const BackendConfig& backend : config.backends) {
    auto authorities = backend.client_ca.empty() ? Result<ClientCa>(Error{}) : ClientCa::from_pem(backend.client_ca);
    if (authorities) by_backend_.emplace(backend.name, std::move(*authorities));
  }
}

void ClientCas::check(std::int64_t utc_minus_boottime_ns, RequestReport& report) {
  const auto found = by_backend_.find(report.backend);
  const Session* session = report.origin ? &*report.origin : nullptr;
  const bool is_a_proxys = report.reason == Reason::kPeerNotMonitored;
  if (found == by_backend_.end() || session == nullptr || session->presented != true || is_a_proxys) return;
  OwnVerification& own = report.client_ca.emplace();
  if (!is_captured(session->chain)) return;
  const auto utc_s = [&](std::uint64_t time_ns) { return (static_cast<std::int64_t>(time_ns) + utc_minus_boottime_ns) / kSecondNs; };
  const ChainVerdict verdict = found->second.verify(session->chain, utc_s(report.time_ns));
  if (is_about_the_way(verdict.code) && !session->has_whole_chain) return;
  own.verify_code = verdict.code;
  const bool let_in = session->verify_code == X509_V_OK && is_let_in(report.reason);
  if (verdict.code != X509_V_OK && let_in && !only_time_has_passed(verdict, *session, utc_s(session->finished_ns)))
    own.disagreement = "verified_by_proxy_only";
  if (verdict.code == X509_V_OK && session->verify_code && is_about_the_way(*session->verify_code))
    own.disagreement = "not_verified_by_proxy";
  if (!own.disagreement.empty() && report.verdict == Verdict::kAuthenticated) report.violations.push_back(own.disagreement);
}

}  // namespace mtlswatch
