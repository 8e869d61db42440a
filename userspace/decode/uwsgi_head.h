// SPDX-License-Identifier: Apache-2.0
// A request in the uwsgi protocol, as nginx's uwsgi_pass sends it: a packet of variables, then the body, one request a
// connection (https://uwsgi-docs.readthedocs.io/en/latest/Protocol.html). Used by the head parser. Stateless.
//
//   packet: modifier1 (1 byte), bytes of the variables (2, little-endian), modifier2 (1), variables
//   variable: bytes of its name (2, little-endian), name, bytes of its value (2, little-endian), value
#pragma once

#include <cstddef>
#include <string_view>

#include "userspace/decode/byte_mask.h"
#include "userspace/decode/head_reader.h"
#include "userspace/decode/header_fields.h"

namespace mtlswatch {

enum class UwsgiState {
  kInvalid,     ///< no request in this protocol
  kNeedsMore,   ///< could become one
  kRecognised,  ///< its first variable is named as variables are
};

struct UwsgiPacket {
  UwsgiState state = UwsgiState::kNeedsMore;
  std::size_t size = 0;  ///< with its header; 0 while that is not there
  std::size_t there = 0;  ///< of them
  bool complete() const { return state == UwsgiState::kRecognised && there == size; }
};

/// Whether the first byte is a modifier for Python: such bytes begin no HTTP.
bool may_be_uwsgi(std::string_view text);

/// The packet at the front of text. What is said of a prefix stays true when more arrives.
UwsgiPacket read_uwsgi_packet(std::string_view text);

ParsedHead parse_uwsgi_head(const HeaderFields& fields, std::string_view text);

/// Marks sizes and names of variables, and the values of those on the allow-list.
void keep_uwsgi_head(const HeaderFields& fields, std::string_view text, const BufferMask& mask);

}  // namespace mtlswatch
