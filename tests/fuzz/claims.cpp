// SPDX-License-Identifier: Apache-2.0
// Identity headers are a client's to write: every comparison takes any bytes.
#include <cstdint>
#include <string>

#include "userspace/policy/claimed_certificate.h"
#include "userspace/policy/request_path.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mtlswatch;
  const std::string text(reinterpret_cast<const char*>(data), size);
  Certificate certificate;
  certificate.parsed = true;
  certificate.serial_number = "0A11CE";
  certificate.sha256 = std::string(64, 'A');
  certificate.subject.text = "CN=alice,O=Example";
  compare_names(text, certificate.subject.text);
  compare_names(certificate.subject.text, text);
  compare_serial(text, certificate);
  compare_fingerprint(text, certificate);
  compare_time(text, 0);
  compare_encoded(text, certificate);
  compare_forwarded(text, certificate);
  const auto path = normalised_path(text);
  if (path && normalised_path(*path) != path) __builtin_trap();  // what is normal stays so
  return 0;
}
