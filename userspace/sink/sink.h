// SPDX-License-Identifier: Apache-2.0
// Where reports go: a file, a webhook, a log server. Used on the event loop's thread, which no sink may hold up: what
// an output cannot take is counted as lost there, and nowhere else.
#pragma once

#include <string>

#include "userspace/base/result.h"
#include "userspace/model/config.h"
#include "userspace/model/status.h"
#include "userspace/model/verdict.h"

namespace mtlswatch {

class Sink {
 public:
  virtual ~Sink() = default;

  /// Takes the report if its kind goes out here. The only error is an output that will never take anything again.
  virtual Status write(const Report& report) = 0;
  virtual Status flush() { return Done{}; }
  /// No more will come. Called for every sink before finish(), so that they end side by side.
  virtual void begin_finish(int /*timeout_ms*/) {}
  /// Waits at most timeout_ms for what is still under way, and counts the rest as lost.
  virtual Status finish(int timeout_ms) = 0;
  /// Opens its file anew, for log rotation.
  virtual Status reopen() { return Done{}; }
  /// Without its name: that is the configuration's.
  virtual OutputStatus status() const = 0;
};

/// Whether the backend's configuration lets any output have it.
bool is_written(const Report& report);

/// Which kinds of events an output takes.
class KindFilter {
 public:
  explicit KindFilter(const OutputConfig& output);
  bool takes(const Report& report) const;

 private:
  bool requests_ = false, handshakes_ = false, alerts_ = false, agent_ = false;
};

}  // namespace mtlswatch
