// SPDX-License-Identifier: Apache-2.0
// Files that are read whole: configurations, certificates, and secrets, each in a file of its own. Any thread.
#pragma once

#include <cstddef>
#include <string>

#include "userspace/base/result.h"

namespace mtlswatch {

/// The whole file. Errors do not name it: it cannot be read, has more than most_bytes, or is no regular file (opening a pipe could
/// wait for ever).
Result<std::string> read_small_file(const std::string& file, std::size_t most_bytes);

/// One line, without its end: a token, a key. Errors name the file, never its content.
Result<std::string> read_secret(const std::string& file);

}  // namespace mtlswatch
