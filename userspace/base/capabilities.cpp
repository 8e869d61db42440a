// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/capabilities.h"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace mtlswatch {

// By system call: the C library has none for it, and libcap would set those of one thread just the same.
Status keep_capabilities(std::initializer_list<int> kept) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {};
  if (::syscall(SYS_capget, &header, sets) != 0) return system_error("read the capabilities", errno);
  for (int word = 0; word < _LINUX_CAPABILITY_U32S_3; ++word) {
    __u32 mask = 0;
    for (const int number : kept) mask |= number / 32 == word ? 1u << (number % 32) : 0;
    sets[word].effective &= mask;
    sets[word].permitted &= mask;
    sets[word].inheritable &= mask;
  }
  if (::syscall(SYS_capset, &header, sets) != 0) return system_error("drop capabilities", errno);
  return Done{};
}

}  // namespace mtlswatch
