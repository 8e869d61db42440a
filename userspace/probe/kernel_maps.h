// SPDX-License-Identifier: Apache-2.0
// Reading maps of the kernel side. Used by Kernel only.
#pragma once

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <array>
#include <compare>
#include <cstdint>
#include <vector>

namespace mtlswatch {

/// The values of the keys 0 to keys - 1 of a map that has one for each CPU.
template <typename T>
std::vector<T> sum_over_cpus(int map_fd, std::uint32_t keys, T (*add)(T, const T&)) {
  std::vector<T> sums(keys);
  std::vector<T> values(static_cast<std::size_t>(libbpf_num_possible_cpus()));
  for (std::uint32_t key = 0; key < keys; ++key) {
    if (bpf_map_lookup_elem(map_fd, &key, values.data()) != 0) continue;
    for (const T& value : values) sums[key] = add(sums[key], value);
  }
  return sums;
}

/// While others write it may tell a key twice or not.
template <typename Key>
std::vector<Key> keys_of(const bpf_map* map) {
  std::vector<Key> keys;
  Key key{};
  while (keys.size() < bpf_map__max_entries(map) &&
         bpf_map_get_next_key(bpf_map__fd(map), keys.empty() ? nullptr : &keys.back(), &key) == 0) {
    keys.push_back(key);
  }
  return keys;
}

inline std::uint64_t count_entries(const bpf_map* map) {
  std::uint64_t count = 0;
  std::array<std::uint8_t, 64> key{};  // larger than any key of ours
  while (count < bpf_map__max_entries(map) && bpf_map_get_next_key(bpf_map__fd(map), count == 0 ? nullptr : key.data(), key.data()) == 0) {
    ++count;
  }
  return count;
}

/// A key of listening_ports, as in maps.bpf.h.
struct ListeningPort {
  std::uint32_t netns = 0;
  std::uint32_t port = 0;
  auto operator<=>(const ListeningPort&) const = default;
};

}  // namespace mtlswatch
