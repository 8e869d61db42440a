// SPDX-License-Identifier: Apache-2.0
#include "userspace/model/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace mtlswatch {
namespace {

constexpr std::array<std::uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool equal_bits(const std::array<std::uint8_t, 16>& a, const std::array<std::uint8_t, 16>& b, int bits) {
  const int whole = bits / 8;
  if (!std::equal(a.begin(), a.begin() + whole, b.begin())) return false;
  const int rest = bits % 8;
  if (rest == 0) return true;
  const auto mask = static_cast<std::uint8_t>(0xff << (8 - rest));
  return (a[whole] & mask) == (b[whole] & mask);
}

template <typename T>
std::optional<T> parse_number(const std::string& text, T highest) {
  T value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty() || value > highest) return std::nullopt;
  return value;
}

}  // namespace

IpAddress IpAddress::v4(const std::uint8_t* bytes) {
  IpAddress address;
  std::copy_n(bytes, 4, address.bytes.begin());
  return address;
}

IpAddress IpAddress::v6(const std::uint8_t* bytes) {
  if (std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), bytes)) return v4(bytes + kMappedPrefix.size());
  IpAddress address;
  address.is_v4 = false;
  std::copy_n(bytes, 16, address.bytes.begin());
  return address;
}

bool IpAddress::is_loopback() const {
  if (is_v4) return bytes[0] == 127;
  return std::all_of(bytes.begin(), bytes.end() - 1, [](std::uint8_t byte) { return byte == 0; }) && bytes[15] == 1;
}

bool IpAddress::is_unspecified() const {
  return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 0; });
}

std::string IpAddress::text() const {
  char buffer[INET6_ADDRSTRLEN] = {};
  if (!is_v4) return inet_ntop(AF_INET6, bytes.data(), buffer, sizeof buffer);
  std::string text;  // inet_ntop would print it, at ten times the cost: every event has several
  for (int i = 0; i < 4; ++i) {
    const int byte = bytes[i];
    if (i != 0) text += '.';
    if (byte >= 100) text += static_cast<char>('0' + byte / 100);
    if (byte >= 10) text += static_cast<char>('0' + byte / 10 % 10);
    text += static_cast<char>('0' + byte % 10);
  }
  return text;
}

Result<IpAddress> parse_ip(const std::string& text) {
  std::array<std::uint8_t, 16> bytes{};
  if (inet_pton(AF_INET, text.c_str(), bytes.data()) == 1) return IpAddress::v4(bytes.data());
  if (inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) return IpAddress::v6(bytes.data());
  return Error{"not an IP address: \"" + text + "\""};
}

bool Cidr::contains(const IpAddress& address) const {
  return address.is_v4 == network.is_v4 && equal_bits(address.bytes, network.bytes, prefix_bits);
}

Result<Cidr> parse_cidr(const std::string& text) {
  const auto slash = text.find('/');
  auto network = parse_ip(text.substr(0, slash));
  if (!network) return network.error();
  const int width = network->is_v4 ? 32 : 128;
  if (slash == std::string::npos) return Cidr{*network, width};
  const auto bits = parse_number<int>(text.substr(slash + 1), width);
  if (!bits || *bits < 0) return Error{"not a prefix length from 0 to " + std::to_string(width) + ": \"" + text + "\""};
  IpAddress masked = *network;
  for (int bit = *bits; bit < width; ++bit) masked.bytes[bit / 8] &= static_cast<std::uint8_t>(~(0x80 >> bit % 8));
  if (masked != *network) return Error{"address has bits past its prefix: \"" + text + "\", expected " + masked.text() + text.substr(slash)};
  return Cidr{*network, *bits};
}

std::string Endpoint::text() const {
  if (is_unix()) return "unix:" + path;
  const std::string port_text = ":" + std::to_string(port);
  return ip.is_v4 ? ip.text() + port_text : "[" + ip.text() + "]" + port_text;
}

Result<Endpoint> parse_endpoint(const std::string& text) {
  const Error malformed{"not an address: \"" + text + "\", expected \"IP:PORT\", \"[IPv6]:PORT\" or \"unix:/PATH\""};
  Endpoint endpoint;
  if (text.starts_with("unix:")) {
    endpoint.path = text.substr(5);
    if (endpoint.path.size() < 2 || (endpoint.path[0] != '/' && endpoint.path[0] != '@')) return malformed;
    return endpoint;
  }
  const auto colon = text.rfind(':');
  if (colon == std::string::npos) return malformed;
  std::string host = text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string::npos) {
    return malformed;
  }
  const auto port = parse_number<std::uint32_t>(text.substr(colon + 1), 65535);
  const auto ip = parse_ip(host);
  if (!port || *port == 0 || !ip) return malformed;
  endpoint.ip = *ip;
  endpoint.port = static_cast<std::uint16_t>(*port);
  return endpoint;
}

}  // namespace mtlswatch
