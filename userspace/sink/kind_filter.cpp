// SPDX-License-Identifier: Apache-2.0
#include "userspace/sink/sink.h"

namespace mtlswatch {

KindFilter::KindFilter(const OutputConfig& output) {
  for (const std::string& event : events_of(output)) {
    requests_ |= event == "request";
    handshakes_ |= event == "handshake";
    alerts_ |= event == "alert";
    agent_ |= event == "agent";
  }
}

bool is_written(const Report& report) {
  const auto* request = std::get_if<RequestReport>(&report);
  return request == nullptr || request->is_written;
}

bool KindFilter::takes(const Report& report) const {
  if (std::holds_alternative<RequestReport>(report)) return requests_;
  if (std::holds_alternative<HandshakeReport>(report)) return handshakes_;
  return std::holds_alternative<AlertReport>(report) ? alerts_ : agent_;
}

}  // namespace mtlswatch
