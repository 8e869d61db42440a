// SPDX-License-Identifier: Apache-2.0
// Taking up and letting go of Linux capabilities. They belong to threads: one that is started later has what its maker has left.
#pragma once

#include <initializer_list>

#include "userspace/base/result.h"

namespace mtlswatch {

/// What the calling thread may have is in effect from here on: a program that is permitted capabilities by its file alone, as
/// another user than root is in a container, begins with none in effect.
Status raise_capabilities();

/// From here on the calling thread has at most these, for good (numbers of linux/capability.h).
Status keep_capabilities(std::initializer_list<int> kept);

}  // namespace mtlswatch
