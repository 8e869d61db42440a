// SPDX-License-Identifier: Apache-2.0
#include "userspace/decode/certificate_assembler.h"

#include <algorithm>
#include <utility>

namespace mtlswatch {

void CertificateAssembler::add(const mtlswatch_certificate& record, std::span<const std::uint8_t> data,
                               std::vector<Event>& out) {
  Assembly& assembly = find_or_begin(record, out);
  if (record.cookie != 0) assembly.event.id = record.cookie;
  assembly.broken |= record.offset != assembly.der.size() || record.length != assembly.length || data.empty();
  if (!assembly.broken) assembly.der.insert(assembly.der.end(), data.begin(), data.end());
  if (!data.empty() && record.offset + data.size() < record.length) return;
  emit(assembly, out);
  assemblies_.remove_if([&](const Assembly& other) { return &other == &assembly; });
}

CertificateAssembler::Assembly& CertificateAssembler::find_or_begin(const mtlswatch_certificate& record,
                                                                    std::vector<Event>& out) {
  const auto found = std::find_if(assemblies_.begin(), assemblies_.end(), [&](const Assembly& assembly) {
    const PeerCertificate& event = assembly.event;
    return event.actor.pid == record.header.pid && event.actor.tid == record.header.tid && event.ssl == record.ssl &&
           event.index == (record.index & ~MTLSWATCH_CERTIFICATE_OF_SESSION) &&
           event.of_session == ((record.index & MTLSWATCH_CERTIFICATE_OF_SESSION) != 0);
  });
  if (found != assemblies_.end() && record.offset != 0) return *found;
  if (found != assemblies_.end()) {
    emit(*found, out);
    assemblies_.erase(found);
  }
  if (assemblies_.size() == kAssemblies) {
    emit(assemblies_.front(), out);
    assemblies_.pop_front();
  }
  Assembly& assembly = assemblies_.emplace_back();
  assembly.event.time_ns = record.header.time_ns;
  assembly.event.actor = {record.header.pid, record.header.tid};
  assembly.event.ssl = record.ssl;
  assembly.event.index = record.index & ~MTLSWATCH_CERTIFICATE_OF_SESSION;
  assembly.event.of_session = (record.index & MTLSWATCH_CERTIFICATE_OF_SESSION) != 0;
  assembly.length = record.length;
  return assembly;
}

void CertificateAssembler::flush(const Actor& actor, std::uint64_t ssl, std::vector<Event>& out) {
  for (auto at = assemblies_.begin(); at != assemblies_.end();) {
    const PeerCertificate& event = at->event;
    const bool belongs = event.actor.pid == actor.pid && event.actor.tid == actor.tid && event.ssl == ssl;
    if (belongs) emit(*at, out);
    at = belongs ? assemblies_.erase(at) : std::next(at);
  }
}

void CertificateAssembler::emit(Assembly& assembly, std::vector<Event>& out) {
  Certificate& certificate = assembly.event.certificate;
  if (!assembly.broken && assembly.der.size() == assembly.length) {
    certificate = cache_.parse(assembly.der);
    if (keep_) certificate.der = std::make_shared<const std::vector<std::uint8_t>>(std::move(assembly.der));
  } else {
    ++incomplete_;
    certificate.length_bytes = assembly.length;
    certificate.parse_error =
        std::to_string(assembly.der.size()) + " of " + std::to_string(assembly.length) + " bytes were captured";
  }
  out.emplace_back(std::move(assembly.event));
}

}  // namespace mtlswatch
