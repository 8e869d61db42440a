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

  /// The way of the request that the accepted connection received at this stream position. is_settled becomes false
  /// where evidence may still come and is_final is false.
  Provenance trace(const Connection& accepted, std::uint64_t position, bool is_final, bool& is_settled);

  static constexpr int kMostHops = 8;  ///< loops end here

 private:
  struct Step {
    const Connection* accepted = nullptr;
    std::uint64_t position = 0;
  };
  /// One hop further out. Returns the next step, or nothing accepted when the origin is reached or unknown.
  Step follow(const Step& step, Provenance& way, bool is_final, bool& is_settled);
  Step enter(const Connection& ingress, std::uint64_t position, const char* evidence, Provenance& way);
  void add_candidates(const Connection& upstream, std::uint64_t sent_ns, Provenance& way);
  Origin origin_of(const Connection& ingress, std::uint64_t position);

  Connections& connections_;
  const ProcessDirectory& processes_;
  Witnesses& witnesses_;
};

}  // namespace mtlswatch
