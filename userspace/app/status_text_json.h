// SPDX-License-Identifier: Apache-2.0
// `status` for people: the agent's JSON as tables.
#pragma once

#include <string>

#include "userspace/base/result.h"

namespace mtlswatch {

struct StatusText {
  std::string text;
  bool is_good = true;  ///< neither degraded nor not ready
};

Result<StatusText> status_text(const std::string& status_json, bool with_colour);

}  // namespace mtlswatch
