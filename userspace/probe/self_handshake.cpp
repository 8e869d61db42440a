// SPDX-License-Identifier: Apache-2.0
#include "userspace/probe/self_handshake.h"

#include <dlfcn.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <type_traits>

namespace mtlswatch {
namespace {

enum ChildExit : int { kHandshakesMade = 0, kNotLoaded = 1, kNotMade = 2 };

constexpr int kMostFlights = 8;

/// The library's functions, looked up by name: the agent itself is not linked with libssl.
struct Libssl {
  decltype(&TLS_method) method = nullptr;
  decltype(&SSL_CTX_new) new_context = nullptr;
  decltype(&SSL_CTX_use_certificate) use_certificate = nullptr;
  decltype(&SSL_CTX_use_PrivateKey) use_key = nullptr;
  decltype(&SSL_CTX_set_verify) set_verify = nullptr;
  decltype(&SSL_new) new_session = nullptr;
  decltype(&SSL_set_bio) set_bio = nullptr;
  decltype(&SSL_set_accept_state) set_accept = nullptr;
  decltype(&SSL_set_connect_state) set_connect = nullptr;
  decltype(&SSL_do_handshake) handshake = nullptr;

  bool load(const char* path) {
    void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return false;
    bool whole = true;
    const auto find = [&](auto& function, const char* name) {
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
      whole = whole && function != nullptr;
    };
    find(method, "TLS_method");
    find(new_context, "SSL_CTX_new");
    find(use_certificate, "SSL_CTX_use_certificate");
    find(use_key, "SSL_CTX_use_PrivateKey");
    find(set_verify, "SSL_CTX_set_verify");
    find(new_session, "SSL_new");
    find(set_bio, "SSL_set_bio");
    find(set_accept, "SSL_set_accept_state");
    find(set_connect, "SSL_set_connect_state");
    find(handshake, "SSL_do_handshake");
    return whole;
  }
};

struct Identity {
  EVP_PKEY* key = nullptr;
  X509* certificate = nullptr;
};

/// Never freed: the child ends with it.
Identity make_identity() {
  Identity made{EVP_EC_gen("P-256"), X509_new()};
  if (made.key == nullptr || made.certificate == nullptr) return {};
  X509_set_version(made.certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(made.certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(made.certificate), -60);
  X509_gmtime_adj(X509_getm_notAfter(made.certificate), 3600);
  X509_set_pubkey(made.certificate, made.key);
  X509_NAME* name = X509_get_subject_name(made.certificate);
  const auto* text = reinterpret_cast<const unsigned char*>("mtlswatch");
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, text, -1, -1, 0);
  X509_set_issuer_name(made.certificate, name);
  return X509_sign(made.certificate, made.key, EVP_sha256()) > 0 ? made : Identity{};
}

int accept_any(int, X509_STORE_CTX*) { return 1; }

/// reads, writes: this end's halves of the connection; both ends hold them.
SSL* make_end(const Libssl& tls, const Identity* identity, BIO* reads, BIO* writes) {
  SSL_CTX* context = tls.new_context(tls.method());
  if (context == nullptr) return nullptr;
  const bool has_identity = identity == nullptr || (tls.use_certificate(context, identity->certificate) == 1 &&
                                                    tls.use_key(context, identity->key) == 1);
  tls.set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, accept_any);
  SSL* session = has_identity ? tls.new_session(context) : nullptr;
  if (session == nullptr) return nullptr;
  BIO_up_ref(reads);
  BIO_up_ref(writes);
  tls.set_bio(session, reads, writes);
  return session;
}

/// What SSL_do_handshake of the server came to. client_identity: null for a client without a certificate.
bool shake_hands(const Libssl& tls, const Identity& server_identity, const Identity* client_identity) {
  BIO* to_server = BIO_new(BIO_s_mem());
  BIO* to_client = BIO_new(BIO_s_mem());
  SSL* server = make_end(tls, &server_identity, to_server, to_client);
  SSL* client = make_end(tls, client_identity, to_client, to_server);
  if (server == nullptr || client == nullptr) return false;
  tls.set_accept(server);
  tls.set_connect(client);
  bool done = false;
  for (int flight = 0; flight < kMostFlights && !done; ++flight) {
    tls.handshake(client);
    done = tls.handshake(server) == 1;
  }
  return done;
}

int run_child(const char* library) {
  Libssl tls;
  if (!tls.load(library)) return kNotLoaded;
  const Identity identity = make_identity();
  if (identity.certificate == nullptr) return kNotMade;
  const bool with_certificate = shake_hands(tls, identity, &identity);
  const bool without = shake_hands(tls, identity, nullptr);
  return with_certificate && !without ? kHandshakesMade : kNotMade;
}

}  // namespace

Status SelfHandshake::begin(const std::string& library) {
  if (child_ != 0) return Done{};
  const pid_t child = fork();
  if (child < 0) return system_error("fork", errno);
  if (child == 0) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_UNBLOCK, &all, nullptr);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(kTimeoutSeconds);
    _exit(run_child(library.c_str()));
  }
  child_ = child;
  return Done{};
}

std::optional<Status> SelfHandshake::poll() {
  int status = 0;
  if (child_ == 0 || waitpid(child_, &status, WNOHANG) == 0) return std::nullopt;
  child_ = 0;
  if (WIFEXITED(status) && WEXITSTATUS(status) == kHandshakesMade) return Status(Done{});
  if (WIFEXITED(status) && WEXITSTATUS(status) == kNotLoaded) return Status(Error{"the library could not be loaded"});
  return Status(Error{"the handshake was not made"});
}

}  // namespace mtlswatch
