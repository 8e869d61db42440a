// SPDX-License-Identifier: Apache-2.0
#include "userspace/probe/kernel_features.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>

#include "userspace/base/system_call_filter.h"
#include "userspace/base/unique_fd.h"
#include "userspace/probe/uprobe_link.h"

namespace mtlswatch {
namespace {

/// "return 0"
constexpr std::array<bpf_insn, 2> kEmpty = {
    {{BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0}, {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}}};

UniqueFd load_empty(bpf_prog_type type, bpf_attach_type attach, std::uint32_t target) {
  LIBBPF_OPTS(bpf_prog_load_opts, options);
  options.expected_attach_type = attach;
  options.attach_btf_id = target;
  return UniqueFd(bpf_prog_load(type, nullptr, "GPL", kEmpty.data(), kEmpty.size(), &options));
}

/// Loads and attaches an empty program, and lets it go.
bool can_trace(const char* name, bpf_attach_type attach) {
  const int target = libbpf_find_vmlinux_btf_id(name, attach);
  if (target <= 0) {
    errno = -target;
    return false;
  }
  const UniqueFd program = load_empty(BPF_PROG_TYPE_TRACING, attach, static_cast<std::uint32_t>(target));
  return program && UniqueFd(bpf_raw_tracepoint_open(nullptr, program.get()));
}

struct TracedFunction {
  const char* name;
  std::uint32_t parameters;  ///< a program of another count would read the wrong ones
};
constexpr std::array<TracedFunction, 4> kMessageCalls = {
    {{"tcp_sendmsg", 3}, {"tcp_recvmsg", 5}, {"unix_stream_sendmsg", 3}, {"unix_stream_recvmsg", 4}}};

std::uint32_t parameters_of(const btf* types, const char* function) {
  const int id = btf__find_by_name_kind(types, function, BTF_KIND_FUNC);
  const btf_type* found = id < 0 ? nullptr : btf__type_by_id(types, static_cast<std::uint32_t>(id));
  const btf_type* prototype = found == nullptr ? nullptr : btf__type_by_id(types, found->type);
  return prototype == nullptr ? 0 : btf_vlen(prototype);
}

bool has_length_tracepoints() {
  return can_trace("sock_send_length", BPF_TRACE_RAW_TP) && can_trace("sock_recv_length", BPF_TRACE_RAW_TP);
}

bool has_known_parameters() {
  const std::unique_ptr<btf, decltype(&btf__free)> types(btf__load_vmlinux_btf(), &btf__free);
  return types && std::all_of(kMessageCalls.begin(), kMessageCalls.end(), [&](const TracedFunction& call) {
    return parameters_of(types.get(), call.name) == call.parameters;
  });
}

bool has_function_exits() {
  return has_known_parameters() && std::all_of(kMessageCalls.begin(), kMessageCalls.end(), [](const TracedFunction& call) {
    return can_trace(call.name, BPF_TRACE_FEXIT);
  });
}

/// A directory can hold no probe: a kernel that knows such links says EBADF, as libbpf's own test has it.
bool has_uprobe_multi() {
  const UniqueFd program = load_empty(BPF_PROG_TYPE_KPROBE, kUprobeMulti, 0);
  return program && !link_uprobe(program.get(), {"/", 0, 0, false}) && errno == EBADF;
}

}  // namespace

const std::vector<std::string>& feature_names() {
  static const std::vector<std::string> kNames = {"length_tracepoints", "function_exits", "call_exits", "uprobe_multi", "return_probes",
                                                  "seccomp"};
  return kNames;
}

Result<KernelFeatures> try_kernel_features(const std::vector<std::string>& without) {
  const auto is_in = [](const std::vector<std::string>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  for (const std::string& name : without) {
    if (!is_in(feature_names(), name)) return Error{"\"" + name + "\" is no way to do without"};
  }
  KernelFeatures features;
  if (!is_in(without, "length_tracepoints") && has_length_tracepoints()) {
    features.sockets = SocketSource::kLengthTracepoints;
  } else if (!is_in(without, "function_exits") && has_function_exits()) {
    features.sockets = SocketSource::kFunctionExits;
  } else if (!is_in(without, "call_exits") && can_trace("sys_exit", BPF_TRACE_RAW_TP)) {
    features.sockets = SocketSource::kCallExits;
  } else {
    features.refusal = errno;
  }
  if (!is_in(without, "uprobe_multi") && has_uprobe_multi()) features.uprobes = UprobePath::kMultiLink;
  features.return_probes = !is_in(without, "return_probes");
  features.seccomp = !is_in(without, "seccomp") && can_filter_system_calls();
  return features;
}

Result<KernelFeatures> usable_features(const std::vector<std::string>& without) {
  auto features = try_kernel_features(without);
  if (features && features->sockets == SocketSource::kNone) return system_error("let a program see sends and receives", features->refusal);
  return features;
}

std::string text(SocketSource source) {
  switch (source) {
    case SocketSource::kLengthTracepoints: return "tracepoints sock_send_length and sock_recv_length";
    case SocketSource::kFunctionExits: return "exits of tcp_sendmsg, tcp_recvmsg and their like for Unix sockets";
    case SocketSource::kCallExits: return "exits of system calls";
    case SocketSource::kNone: break;
  }
  return "none";
}

std::string text(UprobePath path) {
  return path == UprobePath::kMultiLink ? "uprobe_multi links" : "perf events, which need CAP_SYS_ADMIN";
}

}  // namespace mtlswatch
