// SPDX-License-Identifier: Apache-2.0
// The distinct clients behind handshakes and requests, by subject and issuer. Owned by app, one thread. Bounded: when
// it is full, the one not seen for longest leaves, and is counted.
#pragma once

#include <list>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "userspace/model/status.h"

namespace mtlswatch {

class IdentityTable {
 public:
  explicit IdentityTable(std::size_t capacity) : capacity_(capacity) {}

  void note(const Report& report);

  /// The most frequent by requests, then by handshakes; at most count.
  std::vector<IdentitySeen> top(std::size_t count) const;
  /// Soonest end of validity among the certificates that authenticated requests of a service since since_ns.
  std::map<std::string, std::int64_t> soonest_expiry_s(std::uint64_t since_ns) const;
  std::size_t size() const { return rows_.size(); }
  std::size_t capacity() const { return capacity_; }
  std::uint64_t evicted() const { return evicted_; }

 private:
  IdentitySeen& row(const Certificate& certificate, std::uint64_t time_ns);
  void note_handshake(const HandshakeReport& report);
  void note_request(const RequestReport& report);

  std::size_t capacity_;
  std::uint64_t evicted_ = 0;
  std::list<std::pair<std::string, IdentitySeen>> rows_;  ///< by key, seen last first
  std::unordered_map<std::string_view, decltype(rows_)::iterator> index_;
};

}  // namespace mtlswatch
