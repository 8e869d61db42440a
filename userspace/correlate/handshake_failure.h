// SPDX-License-Identifier: Apache-2.0
// Why a handshake failed, in words.
#pragma once

#include <string>

namespace mtlswatch {

/// event.reason for an SSL_R_* number; alerts that were received are "alert_NAME". "ssl_error_N" for others.
std::string handshake_failure_text(int reason);

}  // namespace mtlswatch
