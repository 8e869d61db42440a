// SPDX-License-Identifier: Apache-2.0
#include "userspace/decode/header_fields.h"

#include <algorithm>
#include <array>
#include <utility>

#include "userspace/decode/characters.h"

namespace mtlswatch {

HeaderFields::HeaderFields(const std::vector<std::string>& identity_headers) {
  for (const std::string& name : identity_headers) {
    std::string folded = folded_name(name);
    if (folded == "cookie" || folded == "set-cookie" || folded == "authorization" || folded == "proxy-authorization")
      continue;
    longest_name_ = std::max(longest_name_, folded.size());
    identity_headers_.insert(std::move(folded));
  }
}

Field HeaderFields::field_of(std::string_view name) const {
  static constexpr std::array<std::pair<std::string_view, Field>, 6> kFields = {
      {{"host", Field::kHost},
       {"content-length", Field::kContentLength},
       {"transfer-encoding", Field::kTransferEncoding},
       {"x-request-id", Field::kRequestId},
       {"x-correlation-id", Field::kCorrelationId},
       {"traceparent", Field::kTraceParent}}};
  const auto equal = [](char a, char b) { return lower(a) == b; };
  for (const auto& [known, field] : kFields) {
    if (known.size() == name.size() && std::equal(name.begin(), name.end(), known.begin(), equal)) return field;
  }
  if (name.size() > longest_name_) return Field::kOther;
  return identity_headers_.contains(folded_name(name)) ? Field::kIdentity : Field::kOther;
}

}  // namespace mtlswatch
