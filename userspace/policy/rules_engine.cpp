// SPDX-License-Identifier: Apache-2.0
#include "userspace/policy/rules_engine.h"

#include <algorithm>

#include "userspace/policy/rules_requests.h"

namespace mtlswatch {

void RuleEngine::see(const RequestReport& report, std::vector<AlertReport>& alerts) {
  now_ns_ = std::max({now_ns_, report.time_ns, report.response_ns});
  see_request(report, seen_);
  listeners_.see(report, seen_);
  drop_.see(report);
  rates_.see(report);
  blindness_.see(report);
  book(alerts);
}

void RuleEngine::see(const HandshakeReport& report, std::vector<AlertReport>& alerts) {
  now_ns_ = std::max(now_ns_, report.time_ns);
  handshakes_.see(report, seen_);
  listeners_.see(report);
  drop_.see(report);
  rates_.see(report);
  book(alerts);
}

void RuleEngine::see(const AgentReport& report, std::vector<AlertReport>& alerts) {
  blindness_.see(report, seen_);
  book(alerts);
}

void RuleEngine::on_process(const ProcessFacts& facts) {
  drop_.on_process(facts);
}

void RuleEngine::on_exit(std::uint32_t pid) {
  drop_.on_exit(pid);
}

void RuleEngine::tick(std::uint64_t now_ns, std::vector<AlertReport>& alerts) {
  now_ns_ = std::max(now_ns_, now_ns);
  drop_.tick(now_ns_, seen_);
  rates_.tick(now_ns_, seen_);
  blindness_.tick(now_ns_, seen_);
  book(alerts);
  incidents_.tick(now_ns_, alerts);
}

void RuleEngine::book(std::vector<AlertReport>& alerts) {
  for (Sighting& sighting : seen_) incidents_.see(std::move(sighting), now_ns_, alerts);
  seen_.clear();
}

}  // namespace mtlswatch
