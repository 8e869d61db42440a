// SPDX-License-Identifier: Apache-2.0
// Where a connection's end is: an IP address and port, or the path of a Unix socket.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>

#include "userspace/base/result.h"

namespace mtlswatch {

/// An IPv4 or IPv6 address. IPv4-mapped IPv6 addresses (RFC 4291 section 2.5.5.2) are normalised to IPv4, so that a
/// client of a dual-stack listener has one spelling.
struct IpAddress {
  std::array<std::uint8_t, 16> bytes{};  ///< network order; IPv4 in the first 4
  bool is_v4 = true;

  auto operator<=>(const IpAddress&) const = default;
  bool is_loopback() const;
  bool is_unspecified() const;
  std::string text() const;

  static IpAddress v4(const std::uint8_t* bytes);
  static IpAddress v6(const std::uint8_t* bytes);  ///< normalises mapped addresses
};

/// Reads "192.0.2.1" or "2001:db8::1"; no port, no brackets.
Result<IpAddress> parse_ip(const std::string& text);

/// An address range, "10.0.0.0/8". Bits past the prefix are an error when read.
struct Cidr {
  IpAddress network;
  int prefix_bits = 0;

  bool contains(const IpAddress& address) const;
};

/// Reads "192.0.2.0/24", "2001:db8::/32" or a single address.
Result<Cidr> parse_cidr(const std::string& text);

/// One end of a connection. path is empty for TCP; an abstract Unix name begins with '@'.
struct Endpoint {
  IpAddress ip;
  std::uint16_t port = 0;
  std::string path;

  auto operator<=>(const Endpoint&) const = default;
  bool is_unix() const { return !path.empty(); }
  std::string text() const;  ///< "192.0.2.1:443", "[2001:db8::1]:443", "unix:/run/app.sock"
};

/// Reads "127.0.0.1:8000", "[::1]:8000", "0.0.0.0:8000" or "unix:/run/app.sock" ("unix:@name" for abstract).
Result<Endpoint> parse_endpoint(const std::string& text);

}  // namespace mtlswatch
