// SPDX-License-Identifier: Apache-2.0
// Writes reports as JSON lines to standard output or a file. Owned by app, used on its event loop's thread, and so
// never waits for a reader longer than a bounded while: what cannot be written is kept up to a limit, then counted as
// lost. The process must ignore SIGPIPE.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>

#include "userspace/base/result.h"
#include "userspace/base/unique_fd.h"
#include "userspace/model/config.h"
#include "userspace/model/verdict.h"
#include "userspace/sink/ecs_json.h"
#include "userspace/sink/sink.h"

namespace mtlswatch {

struct JsonLinesLimits {
  std::size_t pending_bytes = 4u << 20;  ///< unwritten lines kept while the reader is slow
  int wait_ms = 50;                      ///< for a reader, per flush; not again until it has read something
};

struct JsonLinesCounters {
  std::uint64_t lines_written = 0;
  std::uint64_t lines_lost = 0;
  std::string last_error;  ///< why lines were lost last; empty if none were
};

/// | state   | write               | flush                                   | leaves                        |
/// | open    | appends to buffer   | writes; keeps what a full pipe refuses  | reader gone: EPIPE            |
/// | gone    | counts a loss       | returns an error                        | never                         |
class JsonLinesSink final : public Sink {
 public:
  /// Opens output.path for appending (mode 0640), or duplicates standard output for "-".
  static Result<JsonLinesSink> open(const OutputConfig& output, SinkContext context);
  /// Takes fd. output.events says which kinds go out; empty: all.
  JsonLinesSink(UniqueFd fd, const OutputConfig& output, SinkContext context, JsonLinesLimits limits = {});

  /// Appends a line if its kind goes out. event.sequence counts every report that is to be written, so that it is
  /// the same in all outputs that are given the same reports. Flushes when a good batch is together; errors are flush's.
  Status write(const Report& report) override;
  /// Ends a batch. The only error is a reader that has gone (EPIPE): nothing will ever be written again. Any other
  /// failure, a full disk for one, loses the batch, is counted, and the next batch is tried.
  Status flush() override;
  /// The last flush: waits up to timeout_ms, and counts what is then still pending as lost.
  Status finish(int timeout_ms) override;
  Status reopen() override;

  bool reader_gone() const { return reader_gone_; }
  const JsonLinesCounters& counters() const { return counters_; }
  OutputStatus status() const override {
    return {{}, buffer_.size() - sent_, counters_.lines_written, counters_.lines_lost, counters_.last_error};
  }

 private:
  enum class FdKind { kFile, kSocket, kStream };

  static FdKind kind_of(const UniqueFd& fd);
  Status flush_within(int wait_ms);
  ssize_t write_some(const char* data, std::size_t bytes) const;
  void note_written(std::size_t bytes);
  void lose_pending(int error_number);
  void compact();
  Status gone() const { return Error{"write events: the reader has gone"}; }

  UniqueFd fd_;
  FdKind fd_kind_ = FdKind::kStream;
  SinkContext context_;
  JsonFragments fragments_;
  JsonLinesLimits limits_;
  KindFilter filter_;
  std::string path_;

  fmt::memory_buffer buffer_;
  std::size_t sent_ = 0;     ///< bytes of buffer_ that are written
  bool mid_line_ = false;    ///< the last byte written did not end a line
  bool mends_line_ = false;  ///< buffer_ begins with the newline that ends a torn line
  bool stalled_ = false;     ///< the last wait was in vain
  bool reader_gone_ = false;
  JsonLinesCounters counters_;
};

}  // namespace mtlswatch
