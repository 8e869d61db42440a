// SPDX-License-Identifier: Apache-2.0
// What reaches a program of ours as text: questions to the admin socket, filters of `events`, addresses and ranges.
#include <cstdlib>
#include <string>

#include "userspace/app/event_filter.h"
#include "userspace/app/status_json.h"
#include "userspace/model/address.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace mtlswatch;
  const std::string text(reinterpret_cast<const char*>(bytes), size);
  if (const auto question = parse_request_json(text); question && parse_request_json(request_json(*question))->id != question->id) std::abort();
  if (const auto filter = EventFilter::parse(text)) filter->passes(Report(RequestReport{}));
  if (const auto address = parse_ip(text); address && *parse_ip(address->text()) != *address) std::abort();
  if (const auto endpoint = parse_endpoint(text); endpoint && *parse_endpoint(endpoint->text()) != *endpoint) std::abort();
  if (const auto range = parse_cidr(text); range && !range->contains(range->network)) std::abort();
  return 0;
}
