// SPDX-License-Identifier: Apache-2.0
// Syslog over TCP: RFC 5424 messages with octet counting (RFC 6587 section 3.4.1), the event's JSON as their text.
#pragma once

#include <memory>
#include <string>

#include "userspace/model/config.h"
#include "userspace/sink/delivery.h"

namespace mtlswatch {

std::unique_ptr<Delivery> open_syslog(const OutputConfig& output, const std::string& host_name);

/// "LENGTH <PRI>1 TIME HOST mtlswatch PID MSGID - JSON"; public for the tests.
std::string syslog_frame(const Message& message, const std::string& host_name, int pid);

}  // namespace mtlswatch
