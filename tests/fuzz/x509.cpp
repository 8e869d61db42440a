// SPDX-License-Identifier: Apache-2.0
// Certificates from arbitrary bytes.
#include "userspace/decode/x509.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const mtlswatch::Certificate certificate = mtlswatch::parse_certificate({bytes, size});
  if (certificate.parsed == !certificate.parse_error.empty()) std::abort();
  return 0;
}
