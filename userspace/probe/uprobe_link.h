// SPDX-License-Identifier: Apache-2.0
// Putting a uprobe in place: by a uprobe_multi link, for which libbpf 1.1 has no call, or by a perf event.
#pragma once

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cstdint>
#include <memory>
#include <string>

#include "userspace/base/result.h"
#include "userspace/base/unique_fd.h"
#include "userspace/probe/kernel_features.h"

namespace mtlswatch {

/// enum bpf_attach_type of later headers; what the program of a link has to be loaded with.
inline constexpr auto kUprobeMulti = static_cast<bpf_attach_type>(48);

/// One place of a file.
struct UprobePlace {
  const char* path;
  std::uint64_t file_offset;
  std::uint64_t cookie = 0;  ///< what the program is told
  bool at_return = false;
  std::uint32_t pid = 0;  ///< 0: in every process
};

/// A uprobe_multi link. Empty, and errno: the kernel refused.
UniqueFd link_uprobe(int program_fd, const UprobePlace& place);

/// Why the kernel refused a uprobe, for what; names the capability where that is what it asks for.
Error refused_uprobe(const std::string& what, UprobePath path, int error_number);

/// There as long as this lives.
class Uprobe {
 public:
  static Result<Uprobe> place(UprobePath path, const bpf_program* program, const UprobePlace& place);

 private:
  struct Destroy {
    void operator()(bpf_link* link) const { bpf_link__destroy(link); }
  };
  UniqueFd link_;
  std::unique_ptr<bpf_link, Destroy> event_;
};

}  // namespace mtlswatch
