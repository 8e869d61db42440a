// SPDX-License-Identifier: Apache-2.0
// Joins the parts of peer certificates that the kernel side sends in 2 KiB records. Owned by the decoder.
//
//   A certificate (pid, tid, ssl, index) begins with the part at offset 0 and is emitted when its last part came:
//   parsed, or, if a part is missing, as incomplete. What is still unfinished is emitted as incomplete when its
//   handshake call returns (flush), when the same certificate begins again, or when there are too many (the oldest).
#pragma once

#include <mtlswatch/event.h>

#include <cstddef>
#include <cstdint>
#include <list>
#include <span>
#include <vector>

#include "userspace/decode/certificate_cache.h"
#include "userspace/model/events.h"

namespace mtlswatch {

class CertificateAssembler {
 public:
  static constexpr std::size_t kAssemblies = 128;  ///< unfinished ones at a time

  explicit CertificateAssembler(bool keep = false) : keep_(keep) {}
  /// Whether certificates hold their DER too.
  void keep(bool keep) { keep_ = keep; }

  /// data: the part's captured bytes; the record's sizes are already checked. Appends what is finished.
  void add(const mtlswatch_certificate& record, std::span<const std::uint8_t> data, std::vector<Event>& out);

  /// The handshake call of this thread on this SSL object returned: nothing more will come.
  void flush(const Actor& actor, std::uint64_t ssl, std::vector<Event>& out);

  std::uint64_t incomplete() const { return incomplete_; }  ///< certificates emitted without all their bytes

 private:
  struct Assembly {
    PeerCertificate event;
    std::uint32_t length = 0;
    bool broken = false;  ///< a part is missing
    std::vector<std::uint8_t> der;
  };

  Assembly& find_or_begin(const mtlswatch_certificate& record, std::vector<Event>& out);
  void emit(Assembly& assembly, std::vector<Event>& out);

  std::list<Assembly> assemblies_;  ///< oldest first; a handful at any time
  bool keep_;
  std::uint64_t incomplete_ = 0;
  CertificateCache cache_;
};

}  // namespace mtlswatch
