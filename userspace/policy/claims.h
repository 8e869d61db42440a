// SPDX-License-Identifier: Apache-2.0
// Identity headers: which headers of a request claim a client identity, and what each claims.
#pragma once

#include <string>
#include <vector>

#include "userspace/model/http.h"
#include "userspace/model/verdict.h"

namespace mtlswatch {

/// The header names watched by default: the usual proxies' ways to hand an identity on.
const std::vector<std::string>& default_identity_headers();

/// "x-ssl-client-verify" for "X_SSL_Client-Verify": names fold case and '-' / '_', as WSGI does.
std::string fold_header_name(const std::string& name);

/// Every identity header of the head as a claim. A claim is "not_checked" until it is compared with a certificate.
std::vector<Claim> list_claims(const RequestHead& head);

}  // namespace mtlswatch
