// SPDX-License-Identifier: Apache-2.0
// Events POSTed as {"version":"1","alerts":[...],"events":[...]}: alerts, and what else the output takes.
#pragma once

#include <memory>

#include "userspace/base/result.h"
#include "userspace/model/config.h"
#include "userspace/sink/delivery.h"

namespace mtlswatch {

/// Header X-Mtlswatch-Event-Id is the first event's id, the same on a retry. With a secret_file, X-Mtlswatch-Signature
/// is "t=SECONDS,v1=HEX": HMAC-SHA-256 over "SECONDS.BODY", so that an old message cannot be sent again later.
Result<std::unique_ptr<Delivery>> open_webhook(const OutputConfig& output);

/// "t=1795425302,v1=..." of body; public for the tests.
std::string webhook_signature(const std::string& secret, const std::string& body, std::int64_t seconds);
std::string webhook_body(std::span<const Message> messages);

}  // namespace mtlswatch
