// SPDX-License-Identifier: Apache-2.0
// The rules that raise alerts: stable ids, names, and what each can be tuned by.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "userspace/model/config.h"
#include "userspace/model/verdict.h"

namespace mtlswatch {

/// Order of the catalogue. An id or a name is never reused.
enum class RuleId {
  kBypass,
  kSpoofedHeader,
  kDirectConnection,
  kPlaintextListener,
  kCertificateExpiry,
  kUnexpectedClient,
  kHandshakeDrop,
  kSensorBlind,
  kWeakProtocol,
  kListenerWeakened,
  kFailureBurst,
  kFailureRate,
  kClientCaDisagreement,
};
inline constexpr std::size_t kRules = 13;

struct RuleInfo {
  RuleId rule;
  const char* id;
  const char* name;
  Severity severity;
  const char* description;
  std::uint32_t threshold = 1;  ///< events in a window
  std::uint32_t window_s = 60;
  std::uint32_t days = 14;  ///< before expiry
};

std::span<const RuleInfo> rule_catalogue();
const RuleInfo& info(RuleId rule);

/// A rule as configured.
struct RuleSettings {
  bool enabled = true;
  std::uint32_t threshold = 1;
  std::uint64_t window_ns = 0;
  std::uint32_t days = 0;
  std::uint64_t summary_after_ns = 0;  ///< since the incident's last alert
  std::uint64_t resolve_after_ns = 0;  ///< of quiet
};

class RuleTable {
 public:
  explicit RuleTable(const std::vector<RuleConfig>& configured);
  const RuleSettings& operator[](RuleId rule) const { return settings_[static_cast<std::size_t>(rule)]; }

 private:
  std::array<RuleSettings, kRules> settings_;
};

}  // namespace mtlswatch
