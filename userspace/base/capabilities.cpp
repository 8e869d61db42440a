// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/capabilities.h"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace mtlswatch {
namespace {

// By system call: the C library has none for it, and libcap would set those of one thread just the same.
template <typename Change>
Status change_capabilities(Change change) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {};
  if (::syscall(SYS_capget, &header, sets) != 0) return system_error("read the capabilities", errno);
  for (int word = 0; word < _LINUX_CAPABILITY_U32S_3; ++word) change(word, sets[word]);
  if (::syscall(SYS_capset, &header, sets) != 0) return system_error("change the capabilities", errno);
  return Done{};
}

}  // namespace

Status raise_capabilities() {
  return change_capabilities([](int, __user_cap_data_struct& set) { set.effective = set.permitted; });
}

Status keep_capabilities(std::initializer_list<int> kept) {
  return change_capabilities([kept](int word, __user_cap_data_struct& set) {
    __u32 mask = 0;
    for (const int number : kept) mask |= number / 32 == word ? 1u << (number % 32) : 0;
    set.effective &= mask;
    set.permitted &= mask;
    set.inheritable &= mask;
  });
}

}  // namespace mtlswatch
