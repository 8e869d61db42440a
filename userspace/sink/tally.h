// SPDX-License-Identifier: Apache-2.0
// Counts reports for the metrics and for `status`. Owned by app, one thread. Bounded: configured and discovered names
// beyond kServices are counted together, and the labels of handshakes are fixed vocabularies.
#pragma once

#include <string>
#include <vector>

#include "userspace/model/status.h"

namespace mtlswatch {

class Tally {
 public:
  static constexpr std::size_t kServices = 64;
  static constexpr const char* kOtherService = "other";

  /// All series of a service exist, at 0, from when it is known: else increase() would miss the first bypass.
  void know_service(const std::string& name);
  /// Likewise of a rule.
  void know_rule(const std::string& id, Severity severity);
  /// now_ns: when the report was made, for the delay.
  void count(const Report& report, std::uint64_t now_ns);

  const Counts& counts() const { return counts_; }

 private:
  void count_request(const RequestReport& report, std::uint64_t now_ns);
  void count_alert(const AlertReport& report);
  void count_handshake(const HandshakeReport& report);
  ServiceCounts& service(const std::string& name);

  Counts counts_;
};

/// The labels of one handshake.
HandshakeKind kind_of(const HandshakeReport& report);
/// "certificate_expired" for 10, ...; "other" for codes without a name here. x509_vfy.h of OpenSSL has the codes.
const char* verify_failure_name(int code);
/// Every name that verify_failure_name can give.
std::vector<std::string> verify_failure_names();

}  // namespace mtlswatch
