// SPDX-License-Identifier: Apache-2.0
// Rules that one request alone can break, and what sightings of requests and handshakes have in common.
#pragma once

#include <string>
#include <vector>

#include "userspace/model/verdict.h"
#include "userspace/policy/rules_incidents.h"

namespace mtlswatch {

/// Who an incident is about: the program and user of a local process, else the client's address (IPv6: its /64).
std::string subject_key(const RequestReport& report);
std::string address_key(const Endpoint& source);
/// "curl[4545]" or "198.51.100.23", for messages.
std::string subject_text(const RequestReport& report);

/// A sighting with what the report knows filled in.
Sighting sighting_of(RuleId rule, const RequestReport& report);
Sighting sighting_of(RuleId rule, const HandshakeReport& report);

/// MTLS-1001 to 1004, 1006, and 1005 for a certificate that expired after its handshake.
void see_request(const RequestReport& report, std::vector<Sighting>& seen);

}  // namespace mtlswatch
