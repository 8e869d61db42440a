// SPDX-License-Identifier: Apache-2.0
// A sink whose peer may be slow or dead: reports become messages of a courier.
#pragma once

#include <memory>

#include "userspace/sink/courier.h"
#include "userspace/sink/ecs_json.h"
#include "userspace/sink/sink.h"

namespace mtlswatch {

class PeerSink final : public Sink {
 public:
  /// webhook, alertmanager or syslog. Errors: a file of the output that cannot be read.
  static Result<std::unique_ptr<Sink>> open(const OutputConfig& output, const SinkContext& context);
  PeerSink(const OutputConfig& output, const SinkContext& context, std::unique_ptr<Delivery> delivery,
           CourierLimits limits);

  Status write(const Report& report) override;
  void begin_finish(int timeout_ms) override { courier_.begin_finish(std::chrono::milliseconds(timeout_ms)); }
  Status finish(int timeout_ms) override;
  OutputStatus status() const override { return courier_.status(); }

 private:
  KindFilter filter_;
  SinkContext context_;
  Courier courier_;
};

}  // namespace mtlswatch
