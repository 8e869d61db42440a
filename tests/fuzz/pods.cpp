// SPDX-License-Identifier: Apache-2.0
// Pages of pods, watches in pieces of any size, and paths of control groups, from arbitrary bytes. The first byte is the
// size of the pieces.
#include <cstdlib>

#include "userspace/kubernetes/pod_stream.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace mtlswatch;
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const AnnotationNames annotations = {"wanted"};
  const ContainerIdentity identity = container_of(text);
  if (!identity.id.empty() && identity.id.size() != 64) std::abort();
  if (const auto page = read_pod_page(text, annotations); page && page->resource_version.empty()) std::abort();
  PodDirectory whole, pieces;
  PodStream at_once(whole, "1", annotations), dripping(pieces, "1", annotations);
  at_once.take(text.substr(text.empty() ? 0 : 1));
  const std::size_t step = 1 + (text.empty() ? 0 : static_cast<std::size_t>(bytes[0]));
  for (std::size_t i = 1; i < text.size(); i += step) dripping.take(text.substr(i, step));
  if (at_once.state() != dripping.state() || at_once.resource_version() != dripping.resource_version()) std::abort();
  if (whole.size() != pieces.size()) std::abort();
  return 0;
}
