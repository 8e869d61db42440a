// SPDX-License-Identifier: Apache-2.0
// Finds the backends (Django), the fronts and every other TLS server among the host's processes. Used by app/, which
// gives the listening sockets (from a BPF iterator) and takes the processes to observe and the libraries to probe.
// One thread, no libbpf. Everything here is a guess that `targets` shows with its reasons.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "userspace/model/config.h"
#include "userspace/model/pod.h"
#include "userspace/model/process.h"
#include "userspace/probe/django_detector.h"
#include "userspace/probe/executable_scan.h"
#include "userspace/probe/proc_reader.h"
#include "userspace/probe/process_table.h"

namespace mtlswatch {

class Discovery {
 public:
  explicit Discovery(ProcReader reader = ProcReader());

  /// From now on backends are told by these pods too.
  void use_pods(const PodDirectory& pods) { pods_ = pods; }

  /// The interesting processes, by pid: backends with all their workers; processes that listen and have a TLS library;
  /// fronts that listen; and workers of those. listeners: one row for every process that holds the socket.
  std::vector<ProcessFacts> scan(const Config& config, const std::vector<Listener>& listeners);

  /// One process, interesting or not, with its ancestors brought up to date: after exec or fork, or for the peer of a
  /// connection. Nothing if it has ended.
  std::optional<ProcessFacts> examine(std::uint32_t pid, const Config& config, const std::vector<Listener>& listeners);

  /// Libraries to probe for a process that scan or examine has returned; its executable itself where OpenSSL is linked
  /// in.
  std::vector<TlsLibrary> tls_libraries(std::uint32_t pid) const;
  /// Whether such a process has a TLS implementation, one that can be probed or one that cannot.
  bool may_end_tls(std::uint32_t pid) const;
  /// Whether a process that had no TLS library may have loaded one since it was looked at. One read of its stat.
  bool may_have_loaded(std::uint32_t pid) const;
  /// Every libcrypto that the process maps, read now.
  std::vector<TlsLibrary> crypto_libraries(std::uint32_t pid) const;

  const ProcessTable& processes() const { return table_; }

 private:
  /// What costs more than a line of /proc to find out, kept until the process changes.
  struct Findings {
    std::uint64_t start_time_ticks = 0;
    ImageMark image;
    std::optional<DjangoDetection> django;
    std::vector<Endpoint> django_listeners;          ///< when django was found out
    std::optional<std::uint64_t> tls_virtual_bytes;  ///< when the libraries were read
    std::vector<TlsLibrary> libraries;
    std::string blind_reason;
    bool is_unsupported = false;  ///< by an implementation that cannot be probed
  };
  class Judgement;

  Findings& findings(const ProcessEntry& entry);
  const DjangoDetection& detection(const ProcessEntry& entry, const std::vector<Endpoint>& listeners);
  const Findings& tls(const ProcessEntry& entry);
  EmbeddedTls embedded_tls(const ProcessEntry& entry, std::string& blind_reason);

  ProcessTable table_;
  PodDirectory pods_;
  std::unordered_map<std::uint32_t, Findings> findings_;
  std::map<FileIdentity, EmbeddedTls> embedded_;
};

}  // namespace mtlswatch
