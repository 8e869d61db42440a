// SPDX-License-Identifier: Apache-2.0
// From a backend's request outwards: who is at the other end, which ingress connection caused it there, and so on.
#pragma once

#include <cstdint>

#include "userspace/correlate/connections.h"
#include "userspace/correlate/process_directory.h"
#include "userspace/correlate/witnesses.h"
#include "userspace/model/provenance.h"

namespace mtlswatch {

class ProvenanceTracer {
 public:
  ProvenanceTracer(Connections& connections, const ProcessDirectory& processes, Witnesses& witnesses)
      : connections_(connections), processes_(processes), witnesses_(witnesses) {}

  /// A request as its receiver saw it.
  struct Received {
    const Connection* accepted = nullptr;
    std::uint64_t position = 0;     ///< stream position of its first byte
    std::uint64_t response_ns = 0;  ///< 0: not answered, or not known
  };

  /// The way of a backend's request. is_settled becomes false where evidence may still come and is_final is false.
  Provenance trace(const Received& request, bool is_final, bool& is_settled);

  static constexpr int kMostHops = 8;  ///< loops end here

 private:
  /// One hop further out. Returns the next step, or nothing accepted when the origin is reached or unknown.
  Received follow(const Received& step, Provenance& way, bool is_final, bool& is_settled);
  Received enter(const Connection& ingress, std::uint64_t position, const char* evidence, Provenance& way);
  void add_candidates(const Connection& upstream, std::uint64_t sent_ns, Provenance& way);
  Origin origin_of(const Connection& ingress, std::uint64_t position);

  Connections& connections_;
  const ProcessDirectory& processes_;
  Witnesses& witnesses_;
};

}  // namespace mtlswatch
