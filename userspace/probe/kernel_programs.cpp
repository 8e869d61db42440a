// SPDX-License-Identifier: Apache-2.0
#include "userspace/probe/kernel_programs.h"

#include <bpf/libbpf.h>

#include "mtlswatch.skel.h"
#include "userspace/probe/uprobe_link.h"

namespace mtlswatch {

void configure_programs(mtlswatch_bpf* skeleton, const KernelFeatures& features) {
  const auto& programs = skeleton->progs;
  bpf_program* program = nullptr;
  for (bpf_program* each : {programs.on_socket_send, programs.on_socket_receive})
    bpf_program__set_autoload(each, features.sockets == SocketSource::kLengthTracepoints);
  const bool by_call = features.sockets == SocketSource::kCallExits;
  bpf_program__set_autoload(programs.on_call_exit, by_call);
  skeleton->rodata->states_by_address = by_call;
  if (!by_call) bpf_map__set_max_entries(skeleton->maps.connections_by_address, 1);
  bpf_object__for_each_program(program, skeleton->obj) {
    if (bpf_program__expected_attach_type(program) == BPF_TRACE_FEXIT)
      bpf_program__set_autoload(program, features.sockets == SocketSource::kFunctionExits);
    if (bpf_program__type(program) == BPF_PROG_TYPE_KPROBE && features.uprobes == UprobePath::kMultiLink)
      bpf_program__set_expected_attach_type(program, kUprobeMulti);
  }
}

}  // namespace mtlswatch
