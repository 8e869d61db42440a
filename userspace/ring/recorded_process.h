// SPDX-License-Identifier: Apache-2.0
// ProcessFacts as the payload of a recording's kProcess frame. Used by app/ for `record` and `replay`.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/model/process.h"

namespace mtlswatch {

/// Strings are cut at 4096 bytes, lists at 1024 entries.
std::vector<std::uint8_t> encode_process(const ProcessFacts& facts);

/// Errors: bytes missing or left over, a string or list above those limits.
Result<ProcessFacts> decode_process(std::span<const std::uint8_t> payload);

}  // namespace mtlswatch
