// SPDX-License-Identifier: Apache-2.0
// Proves that the probes of a TLS library fire: a child of the agent makes two handshakes with itself through that library,
// in memory, one with a client certificate and one that fails for want of it. Whether they were seen, the hit counters of
// the library say: uprobes belong to the file, so what fires in this child fires in every process.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "userspace/base/result.h"

namespace mtlswatch {

class SelfHandshake {
 public:
  SelfHandshake() = default;
  SelfHandshake(const SelfHandshake&) = delete;
  SelfHandshake& operator=(const SelfHandshake&) = delete;

  /// library: an OpenSSL 3 libssl of the host that the agent itself could load. The child ends within kTimeoutSeconds, and with
  /// the calling thread.
  Status begin(const std::string& library);
  /// Whether both handshakes went as they should; nothing while there is nothing new. Errors: the library could not be used.
  std::optional<Status> poll();

  static constexpr unsigned kTimeoutSeconds = 5;

 private:
  pid_t child_ = 0;  ///< 0: none
};

}  // namespace mtlswatch
