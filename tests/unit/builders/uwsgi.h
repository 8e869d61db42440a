// SPDX-License-Identifier: Apache-2.0
// Packets of the uwsgi protocol, as nginx's uwsgi_pass makes them.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace mtlswatch::test {

using UwsgiVariables = std::vector<std::pair<std::string, std::string>>;

inline std::string little_endian_16(std::size_t value) {
  return {static_cast<char>(value & 0xff), static_cast<char>(value >> 8)};
}

inline std::string uwsgi_packet(const UwsgiVariables& variables, char modifier1 = 0) {
  std::string block;
  for (const auto& [name, value] : variables) {
    block += little_endian_16(name.size()) + name + little_endian_16(value.size()) + value;
  }
  return modifier1 + little_endian_16(block.size()) + '\0' + block;
}

}  // namespace mtlswatch::test
