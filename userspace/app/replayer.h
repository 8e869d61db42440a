// SPDX-License-Identifier: Apache-2.0
// A recording through everything after the ring, to standard output. Needs no privileges; the same file gives the same
// bytes.
#pragma once

#include <string>

#include "userspace/base/result.h"

namespace mtlswatch {

/// Errors name the file and the place in it.
Status replay_recording(const std::string& file);

}  // namespace mtlswatch
