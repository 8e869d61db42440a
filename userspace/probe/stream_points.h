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
  kForwarding,     ///< request rdi is forwarded next
  kPeer,           ///< to the connection that peer rdi gets
};

struct StreamPoint {
  StreamPurpose purpose = StreamPurpose::kStream;
  std::string symbol;
  std::uint64_t file_offset = 0;
  bool emulated = false;  ///< by the kernel; else it is single-stepped, at ten times the cost
};

/// Where this witness is worth its cost: in every process of a proxy of this name (ProcessFacts::known_proxy), or only in
/// those whose sockets alone do not tell.
enum class StreamWitness { kNone, kAlways, kOnDemand };
StreamWitness stream_witness_of(const std::string& known_proxy);

/// Every point, or an error that says which one could not be placed: half of them would tie requests to strangers.
Result<std::vector<StreamPoint>> find_stream_points(const std::string& known_proxy, const std::string& path);

}  // namespace mtlswatch
