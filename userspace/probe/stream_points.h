// SPDX-License-Identifier: Apache-2.0
// Where to put uprobes in a proxy that queues requests, so that its own functions tell whose request it sends upstream
// (bpf/stream.bpf.c). Found by analysing its executable alone. A row per known proxy.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "userspace/base/result.h"

namespace mtlswatch {

/// What a point tells, hence which kernel program it runs.
enum class StreamPurpose : std::uint8_t {
  kClientSession,  ///< a session was made for an accepted connection: rax
  kClientGone,     ///< it ends: rdi
  kStream,         ///< a request of the session rdi begins
  kStreamSide,     ///< its upstream side was made: rax
  kCheckSide,      ///< a health check's was: rax
  kStreamAttach,   ///< connection rdx carries side rdi from now on
  kUpstream,       ///< connection rdi connects
};

struct StreamPoint {
  StreamPurpose purpose = StreamPurpose::kStream;
  std::string symbol;
  std::uint64_t file_offset = 0;
  bool emulated = false;  ///< by the kernel; else it is single-stepped, at ten times the cost
};

/// Whether this witness exists for a proxy of this name (ProcessFacts::known_proxy).
bool has_stream_points(const std::string& known_proxy);

/// Every point, or an error that says which one could not be placed: half of them would tie requests to strangers.
Result<std::vector<StreamPoint>> find_stream_points(const std::string& known_proxy, const std::string& path);

}  // namespace mtlswatch
