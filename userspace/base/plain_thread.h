// SPDX-License-Identifier: Apache-2.0
// Threads beside the event loop: outputs, the Kubernetes API, the ring while probes are attached.
#pragma once

#include <functional>
#include <thread>

namespace mtlswatch {

/// Signals are the event loop's: the thread must not take them from it. Nor has it use for capabilities.
std::thread start_plain_thread(std::function<void()> body);

}  // namespace mtlswatch
