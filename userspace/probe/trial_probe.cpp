// SPDX-License-Identifier: Apache-2.0
#include "userspace/probe/trial_probe.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <string>

#include "userspace/probe/uprobe_link.h"

namespace mtlswatch {
namespace {

constexpr const char* kUprobePmu = "/sys/bus/event_source/devices/uprobe/";
constexpr const char* kOwnFile = "/proc/self/exe";
constexpr const char* kWhat = "attach a return probe to a process of our own";

/// The number behind prefix in the first line of a file of the uprobe PMU.
Result<unsigned> pmu_number(const std::string& file, const std::string& prefix) {
  std::ifstream stream(kUprobePmu + file);
  std::string line;
  const bool read = static_cast<bool>(std::getline(stream, line));
  const bool number = line.size() > prefix.size() && line.size() < prefix.size() + 9 && line.starts_with(prefix) &&
                      line.find_first_not_of("0123456789", prefix.size()) == std::string::npos;
  if (!read || !number) return Error{kUprobePmu + file + ": no number; uprobes are not built in"};
  return static_cast<unsigned>(std::strtoul(line.c_str() + prefix.size(), nullptr, 10));
}

/// A program that adds one to the first value of an array.
UniqueFd load_counting(int map) {
  const bpf_insn program[] = {
      {BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_VALUE, 0, map},
      {0, 0, 0, 0, 0},
      {BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 1},
      {BPF_STX | BPF_ATOMIC | BPF_DW, BPF_REG_1, BPF_REG_0, 0, BPF_ADD},
      {BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0},
      {BPF_JMP | BPF_EXIT, 0, 0, 0, 0},
  };
  LIBBPF_OPTS(bpf_prog_load_opts, options);
  options.expected_attach_type = kUprobeMulti;
  return UniqueFd(bpf_prog_load(BPF_PROG_TYPE_KPROBE, nullptr, "GPL", program, sizeof program / sizeof program[0], &options));
}

}  // namespace

Result<TrialProbe> TrialProbe::attach(UprobePath path, pid_t pid, std::uint64_t file_offset) {
  return path == UprobePath::kMultiLink ? attach_link(pid, file_offset) : attach_event(pid, file_offset);
}

// As libbpf's perf_event_open_probe fills it.
Result<TrialProbe> TrialProbe::attach_event(pid_t pid, std::uint64_t file_offset) {
  const auto type = pmu_number("type", "");
  if (!type) return type.error();
  const auto bit = pmu_number("format/retprobe", "config:");
  if (!bit) return bit.error();
  perf_event_attr attributes = {};
  attributes.size = sizeof attributes;
  attributes.type = *type;
  attributes.config = 1ULL << (*bit & 63);
  attributes.uprobe_path = reinterpret_cast<std::uint64_t>(kOwnFile);
  attributes.probe_offset = file_offset;
  TrialProbe trial;
  trial.probe_ = UniqueFd(static_cast<int>(::syscall(SYS_perf_event_open, &attributes, pid, -1, -1, PERF_FLAG_FD_CLOEXEC)));
  if (!trial.probe_) return refused_uprobe(kWhat, UprobePath::kPerfEvent, errno);
  return trial;
}

Result<TrialProbe> TrialProbe::attach_link(pid_t pid, std::uint64_t file_offset) {
  TrialProbe trial;
  trial.counter_ = UniqueFd(bpf_map_create(BPF_MAP_TYPE_ARRAY, nullptr, sizeof(std::uint32_t), sizeof(std::uint64_t), 1, nullptr));
  if (!trial.counter_) return system_error("make a counter", errno);
  const UniqueFd program = load_counting(trial.counter_.get());
  if (!program) return system_error("load a counting program", errno);
  trial.probe_ = link_uprobe(program.get(), {kOwnFile, file_offset, 0, true, static_cast<std::uint32_t>(pid)});
  if (!trial.probe_) return system_error(kWhat, errno);
  return trial;
}

Result<std::uint64_t> TrialProbe::hits() const {
  std::uint64_t hits = 0;
  const std::uint32_t first = 0;
  const bool known = counter_ ? bpf_map_lookup_elem(counter_.get(), &first, &hits) == 0
                              : ::read(probe_.get(), &hits, sizeof hits) == sizeof hits;
  if (!known) return system_error("count the probe's hits", errno);
  return hits;
}

}  // namespace mtlswatch
