// SPDX-License-Identifier: Apache-2.0
// Which header fields leave the decoder: the allow-list. Cookie and authorization headers are never on it. Owned by the
// head parser; made once.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace mtlswatch {

enum class Field { kOther, kHost, kContentLength, kTransferEncoding, kRequestId, kCorrelationId, kTraceParent, kIdentity };

class HeaderFields {
 public:
  /// identity_headers: names to keep, any spelling.
  explicit HeaderFields(const std::vector<std::string>& identity_headers);

  /// kOther: its value stays here.
  Field field_of(std::string_view name) const;

 private:
  std::unordered_set<std::string> identity_headers_;  ///< folded
  std::size_t longest_name_ = 0;
};

}  // namespace mtlswatch
