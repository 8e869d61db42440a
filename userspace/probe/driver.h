// SPDX-License-Identifier: Apache-2.0
// Where to put uprobes in a program whose TLS handshakes the library's own probes do not show: it drives them through
// SSL_read, or feeds the library through memory. On the program's own calls, so that nobody else pays. Also where it is told
// of verify errors. Analyses the file alone, like library.h.
#pragma once

#include <string>

#include "userspace/base/result.h"
#include "userspace/probe/library.h"

namespace mtlswatch {

/// No points: the program drives handshakes in the usual way without a callback, or none. Errors: as analyse_library.
Result<LibraryPlan> analyse_driver(const std::string& path);

}  // namespace mtlswatch
