// SPDX-License-Identifier: Apache-2.0
// Letting go of Linux capabilities. They belong to threads: one that is started later has what its maker has left.
#pragma once

#include <initializer_list>

#include "userspace/base/result.h"

namespace mtlswatch {

/// From here on the calling thread has at most these, for good (numbers of linux/capability.h).
Status keep_capabilities(std::initializer_list<int> kept);

}  // namespace mtlswatch
