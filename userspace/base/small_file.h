// SPDX-License-Identifier: Apache-2.0
// Tokens and keys of outputs and of the Kubernetes API, each in a file of its own. Any thread.
#pragma once

#include <string>

#include "userspace/base/result.h"

namespace mtlswatch {

/// The content of a small file without line ends at its end. Errors name the file, never its content.
Result<std::string> read_secret(const std::string& file);

}  // namespace mtlswatch
