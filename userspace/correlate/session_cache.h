// SPDX-License-Identifier: Apache-2.0
// What is known of TLS sessions that may be resumed: the agent's mirror of the servers' in-process session caches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "userspace/model/certificate.h"

namespace mtlswatch {

/// Who stood behind the handshake that made a session.
struct OlderSession {
  std::optional<bool> presented;  ///< absent: its facts could not be read
  int verify_code = 0;            ///< X509_V_*, as stored in the session
  CertificateChain chain; ///< a ticket holds the leaf alone
  bool has_whole_chain = false;   ///< all that the client sent
  std::string server_name;        ///< SNI of the original handshake; empty: none, or not kept
};

/// By process and address of the SSL_SESSION. An address says nothing once something else was stored there, so what is
/// not known of a store is forgotten rather than kept.
class SessionCache {
 public:
  static constexpr std::size_t kSessions = 4096;  ///< the oldest goes first

  void remember(std::uint32_t pid, std::uint64_t session, OlderSession older);
  void forget(std::uint32_t pid, std::uint64_t session);
  void forget_process(std::uint32_t pid);
  /// Records were lost, stores among them perhaps.
  void clear();
  /// Null: nothing is known of it.
  const OlderSession* find(std::uint32_t pid, std::uint64_t session) const;
  std::size_t size() const { return sessions_.size(); }
  std::uint64_t evicted() const { return evicted_; }

 private:
  using Key = std::pair<std::uint32_t, std::uint64_t>;
  struct Entry {
    OlderSession session;
    std::uint64_t number = 0;
  };
  void make_room();

  std::map<Key, Entry> sessions_;
  std::deque<std::pair<Key, std::uint64_t>> by_age_;  ///< may name entries that are gone or were renewed since
  std::uint64_t next_ = 0;
  std::uint64_t evicted_ = 0;
};

}  // namespace mtlswatch
