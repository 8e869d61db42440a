// SPDX-License-Identifier: Apache-2.0
// Which reports a follower wants: "dataset=request,verdict=bypass". Values only.
#pragma once

#include <string>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/model/verdict.h"

namespace mtlswatch {

/// Every condition must hold; a condition holds when one of its values does.
class EventFilter {
 public:
  /// Reads "KEY=VALUE[|VALUE...][,...]"; "!=" for none of the values. Keys: dataset, verdict, reason, backend, outcome,
  /// action, id. An empty text lets everything pass. Errors name what is wrong.
  static Result<EventFilter> parse(const std::string& text);
  bool passes(const Report& report) const;

 private:
  struct Condition {
    std::string key;
    std::vector<std::string> values;
    bool is_negated = false;
  };
  std::vector<Condition> conditions_;
};

}  // namespace mtlswatch
