// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace mtlswatch {

/// From here on libbpf speaks through the agent's own log.
void log_libbpf();

}  // namespace mtlswatch
