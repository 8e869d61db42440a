// SPDX-License-Identifier: Apache-2.0
// The text of an HTTP/1.x request head: RFC 9112. Used by the head parser. Stateless.
#pragma once

#include <string_view>

#include "userspace/decode/byte_mask.h"
#include "userspace/decode/head_reader.h"
#include "userspace/decode/header_fields.h"

namespace mtlswatch {

/// Index after the blank line that ends a head, 0 if it has not come. Nothing before index from is looked at.
std::size_t http_head_end(std::string_view text, std::size_t from);

ParsedHead parse_http_head(const HeaderFields& fields, std::string_view text, bool complete);
void keep_http_head(const HeaderFields& fields, std::string_view text, const BufferMask& mask);

}  // namespace mtlswatch
