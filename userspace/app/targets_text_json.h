// SPDX-License-Identifier: Apache-2.0
// `targets` for people: the JSON of inspect_json, the running agent's or our own, as tables.
#pragma once

#include <string>

#include "userspace/base/result.h"

namespace mtlswatch {

Result<std::string> targets_text(const std::string& targets_json, bool with_colour);

}  // namespace mtlswatch
