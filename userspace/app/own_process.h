// SPDX-License-Identifier: Apache-2.0
// What /proc says of this process. Any thread.
#pragma once

#include "userspace/sink/metrics.h"

namespace mtlswatch {

/// Fields that /proc does not tell stay 0.
ProcessUsage own_usage();

}  // namespace mtlswatch
