// SPDX-License-Identifier: Apache-2.0
// The policy stage: what a settled exchange proves. Missing data makes "unknown", never "bypass" and never
// "authenticated".
#pragma once

#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "userspace/model/config.h"
#include "userspace/model/provenance.h"
#include "userspace/model/verdict.h"

namespace mtlswatch {

/// Facts about the host that verdicts on remote peers need.
struct HostAddresses {
  std::vector<IpAddress> local;  ///< of every interface; loopback is always local
  bool contains(const IpAddress& address) const;
};

class Judge {
 public:
  Judge(const Config& config, HostAddresses addresses) : config_(config), addresses_(std::move(addresses)) {}

  RequestReport judge(SettledExchange exchange);
  /// What it has learnt about backends stays.
  void reconfigure(const Config& config) { config_ = config; }

 private:
  Reason reason_for(const SettledExchange& exchange, RequestReport& report);
  Reason through_front(const SettledExchange& exchange, RequestReport& report) const;
  Reason at_own_tls(const SettledExchange& exchange, RequestReport& report) const;
  Reason among_candidates(const SettledExchange& exchange, RequestReport& report) const;
  Reason beyond_stranger(const SettledExchange& exchange, RequestReport& report) const;
  Reason from_stranger(const SettledExchange& exchange) const;
  Reason of_remote_address(const IpAddress& address, const std::string& name) const;
  Reason from_remote(const SettledExchange& exchange, const std::string& backend) const;
  Reason of_origin(const Origin& origin, const SettledExchange& exchange) const;
  Reason of_ingress(const Origin& origin, const SettledExchange& exchange) const;
  bool is_remote_proxy(const IpAddress& address, const std::string& backend) const;
  Reason of_session(const Origin& origin, const SettledExchange& exchange) const;
  static Reason why_unseen(const Origin& origin);
  static std::optional<Reason> of_names(const Session& session, std::string_view proxy);
  bool is_intermediary(const Certificate& certificate, const std::string& backend) const;
  const BackendConfig* backend(const std::string& name) const;

  Config config_;
  HostAddresses addresses_;
  std::unordered_set<std::string> backends_with_front_;  ///< names of backends that a local front has spoken to
};

}  // namespace mtlswatch
