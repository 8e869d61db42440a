// SPDX-License-Identifier: Apache-2.0
// What the hellos of a TLS connection say in the clear: RFC 5246 section 7.4.1, RFC 8446 section 4.1.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace mtlswatch {

struct ClientHello {
  std::array<std::uint8_t, 32> random{};  ///< equal bytes on two connections: one is relayed over the other
  std::string server_name;  ///< SNI host name, lower case; empty if none
  std::vector<std::string> alpn;
  std::vector<std::uint8_t> session_id;
  bool has_session_ticket = false;  ///< a non-empty TLS 1.2 ticket (RFC 5077)
  bool has_pre_shared_key = false;  ///< TLS 1.3 resumption offered
  bool has_early_data = false;
  std::vector<std::uint16_t> groups;  ///< supported_groups (RFC 8446 section 4.2.7), in the client's order
  bool cut = false;                   ///< not all of it could be read: what it does not say is unknown
};

struct ServerHello {
  std::uint16_t version = 0;  ///< negotiated: 0x0303 TLS 1.2, 0x0304 TLS 1.3
  std::uint16_t cipher_suite = 0;
  std::uint16_t group = 0;  ///< TLS 1.3 key share group, 0 if none
  std::string alpn;         ///< only TLS 1.2 says it in the clear
  std::vector<std::uint8_t> session_id;
  bool selected_pre_shared_key = false;
  bool is_retry_request = false;
  bool cut = false;  ///< not all of it could be read: what it does not say is unknown
};

/// "1.3" for 0x0304; empty for what is not TLS.
std::string tls_version_text(std::uint16_t version);
/// IANA name ("TLS_AES_256_GCM_SHA384"), or "0x1301" where the suite has none here.
std::string cipher_suite_text(std::uint16_t cipher_suite);
/// IANA group name ("x25519"), or hexadecimal.
std::string group_text(std::uint16_t group);

}  // namespace mtlswatch
