// SPDX-License-Identifier: Apache-2.0
#include "userspace/probe/kernel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <mtlswatch/event.h>
#include <spdlog/spdlog.h>
#include <sys/random.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <iterator>

#include "mtlswatch.skel.h"
#include "userspace/base/unique_fd.h"

namespace mtlswatch {
namespace {

int log_libbpf(libbpf_print_level level, const char* format, va_list arguments) {
  char line[512];
  vsnprintf(line, sizeof line, format, arguments);
  std::string text = line;
  while (!text.empty() && text.back() == '\n') text.pop_back();
  spdlog::log(level == LIBBPF_WARN ? spdlog::level::warn : spdlog::level::trace, "libbpf: {}", text);
  return 0;
}

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

std::uint64_t count_entries(const bpf_map* map) {
  std::uint64_t count = 0;
  std::array<std::uint8_t, 64> key{};  // larger than any key of ours
  while (count < bpf_map__max_entries(map) && bpf_map_get_next_key(bpf_map__fd(map), count == 0 ? nullptr : key.data(), key.data()) == 0) {
    ++count;
  }
  return count;
}

template <typename Programs>
bpf_program* program_for(const Programs& programs, ProbePurpose purpose, bool with_return_probes) {
  switch (purpose) {
    case ProbePurpose::kHandshakeEntry: return programs.on_handshake;
    case ProbePurpose::kHandshakeReturn: return with_return_probes ? programs.on_handshake_return : nullptr;
    case ProbePurpose::kCertificate: return programs.on_certificate;
    case ProbePurpose::kVerifyResult: return programs.on_verify_result;
    case ProbePurpose::kError: return programs.on_error;
    case ProbePurpose::kErrorLegacy: return programs.on_error_legacy;
    case ProbePurpose::kSessionOffered: return programs.on_session_offered;
    case ProbePurpose::kSessionStored: return programs.on_session_stored;
    case ProbePurpose::kSessionFound: return programs.on_session_found;
    case ProbePurpose::kSessionAsked: return programs.on_session_asked;
    case ProbePurpose::kSessionTaken: return programs.on_session_taken;
  }
  return nullptr;
}

}  // namespace

void Kernel::Destroy::operator()(mtlswatch_bpf* skeleton) const { mtlswatch_bpf__destroy(skeleton); }
void Kernel::Destroy::operator()(bpf_link* link) const { bpf_link__destroy(link); }

Kernel::Kernel(std::unique_ptr<mtlswatch_bpf, Destroy> skeleton) : skeleton_(std::move(skeleton)) {}
Kernel::Kernel(Kernel&&) noexcept = default;
Kernel& Kernel::operator=(Kernel&&) noexcept = default;
Kernel::~Kernel() = default;

Result<Kernel> Kernel::load(const KernelOptions& options) {
  libbpf_set_print(log_libbpf);
  std::unique_ptr<mtlswatch_bpf, Destroy> skeleton(mtlswatch_bpf__open());
  if (!skeleton) return system_error("open the BPF object", errno);
  std::uint64_t identity_key = 0;
  if (getrandom(&identity_key, sizeof identity_key, 0) != sizeof identity_key) return system_error("getrandom", errno);
  skeleton->rodata->socket_identity_key = identity_key;
  skeleton->rodata->agent_pid = static_cast<std::uint32_t>(getpid());
  bpf_map__set_max_entries(skeleton->maps.records, std::bit_ceil(options.ring_bytes));
  const int failure = mtlswatch_bpf__load(skeleton.get());
  if (failure != 0) return system_error("load the BPF programs", -failure);
  return Kernel(std::move(skeleton));
}

Status Kernel::attach() {
  auto& programs = skeleton_->progs;
  auto& links = skeleton_->links;
  const struct {
    bpf_program* program;
    bpf_link** link;
  } rows[] = {{programs.on_process_exec, &links.on_process_exec},     {programs.on_process_fork, &links.on_process_fork},
              {programs.on_process_exit, &links.on_process_exit},     {programs.on_socket_state, &links.on_socket_state},
              {programs.on_socket_send, &links.on_socket_send},       {programs.on_socket_receive, &links.on_socket_receive}};
  for (const auto& row : rows) {
    *row.link = bpf_program__attach(row.program);
    if (!*row.link) return system_error(std::string("attach ") + bpf_program__name(row.program), errno);
  }
  return Done{};
}

LibraryAttachment Kernel::attach_library(const LibraryPlan& plan, const std::string& path, bool with_return_probes) {
  LibraryAttachment result;
  std::vector<Link> links;
  // Without the certificates, a handshake with one would look like a handshake without: then nothing is said of it.
  bool sees_certificates = false, misses_certificates = false;
  for (const ProbePoint& point : plan.points) {
    bpf_program* program = program_for(skeleton_->progs, point.purpose, with_return_probes);
    if (!program) {
      result.failures.push_back(point.symbol + ": return probes are not safe on this kernel");
      continue;
    }
    LIBBPF_OPTS(bpf_uprobe_opts, options);
    options.retprobe = point.placement == ProbePlacement::kFunctionReturn;
    Link link(bpf_program__attach_uprobe_opts(program, -1, path.c_str(), point.file_offset, &options));
    (link ? sees_certificates : misses_certificates) |= point.purpose == ProbePurpose::kCertificate;
    if (!link) {
      result.failures.push_back(system_error(point.symbol, errno).message);
      continue;
    }
    ++result.attached;
    links.push_back(std::move(link));
  }
  if (!sees_certificates || misses_certificates) {
    result.attached = 0;
    return result;
  }
  std::move(links.begin(), links.end(), std::back_inserter(library_links_));
  return result;
}

Result<std::vector<std::uint8_t>> Kernel::run_iterator(bpf_program* program, const char* name) {
  const Link link(bpf_program__attach_iter(program, nullptr));
  if (!link) return system_error(std::string("attach the iterator ") + name, errno);
  const UniqueFd iterator(bpf_iter_create(bpf_link__fd(link.get())));
  if (!iterator) return system_error(std::string("create the iterator ") + name, errno);
  std::vector<std::uint8_t> bytes;
  std::uint8_t buffer[16384];
  for (;;) {
    const ssize_t count = ::read(iterator.get(), buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return system_error(std::string("read the iterator ") + name, errno);
    if (count == 0) return bytes;
    bytes.insert(bytes.end(), buffer, buffer + count);
  }
}

Result<std::vector<std::uint8_t>> Kernel::read_listeners() {
  return run_iterator(skeleton_->progs.on_listener, "of listeners");
}

Result<std::vector<std::uint8_t>> Kernel::read_older_connections() {
  return run_iterator(skeleton_->progs.on_older_connection, "of connections");
}

Status Kernel::observe(std::uint32_t pid, std::uint32_t flags) {
  if (bpf_map_update_elem(bpf_map__fd(skeleton_->maps.observed_processes), &pid, &flags, BPF_ANY) == 0) return Done{};
  return system_error("observe process " + std::to_string(pid), errno);
}

void Kernel::mark_scanned(std::uint32_t pid) {
  const std::uint32_t flags = observed(pid) | MTLSWATCH_OBSERVED_SCANNED;
  bpf_map_update_elem(bpf_map__fd(skeleton_->maps.observed_processes), &pid, &flags, BPF_EXIST);
}

std::uint32_t Kernel::observed(std::uint32_t pid) const {
  std::uint32_t flags = 0;
  bpf_map_lookup_elem(bpf_map__fd(skeleton_->maps.observed_processes), &pid, &flags);
  return flags;
}

void Kernel::forget(std::uint32_t pid) {
  bpf_map_delete_elem(bpf_map__fd(skeleton_->maps.observed_processes), &pid);
}

std::vector<std::uint32_t> Kernel::observed_pids() const {
  const int map = bpf_map__fd(skeleton_->maps.observed_processes);
  std::vector<std::uint32_t> pids;
  std::uint32_t key = 0;
  std::uint32_t previous_key = 0;
  const std::uint32_t* previous = nullptr;
  while (pids.size() < bpf_map__max_entries(skeleton_->maps.observed_processes) &&
         bpf_map_get_next_key(map, previous, &key) == 0) {
    pids.push_back(key);
    previous_key = key;
    previous = &previous_key;
  }
  return pids;
}

Status Kernel::protect_port(std::uint16_t port) {
  const std::uint8_t present = 1;
  if (bpf_map_update_elem(bpf_map__fd(skeleton_->maps.protected_ports), &port, &present, BPF_ANY) == 0) return Done{};
  return system_error("protect port " + std::to_string(port), errno);
}

std::vector<TableStatus> Kernel::map_fill() const {
  std::vector<TableStatus> fill;
  for (const bpf_map* map : {skeleton_->maps.observed_processes, skeleton_->maps.protected_ports, skeleton_->maps.listening_ports}) {
    fill.push_back({bpf_map__name(map), count_entries(map), bpf_map__max_entries(map), 0});
  }
  return fill;
}

int Kernel::ring_fd() const { return bpf_map__fd(skeleton_->maps.records); }

KernelCounters Kernel::counters() const {
  using Record = mtlswatch_record_counter;
  const auto records = sum_over_cpus<Record>(
      bpf_map__fd(skeleton_->maps.record_counters), MTLSWATCH_KIND_COUNT, [](Record sum, const Record& value) {
        return Record{sum.submitted + value.submitted, sum.dropped + value.dropped};
      });
  KernelCounters counters;
  for (const Record& record : records) {
    counters.submitted.push_back(record.submitted);
    counters.dropped.push_back(record.dropped);
  }
  counters.failures = sum_over_cpus<std::uint64_t>(
      bpf_map__fd(skeleton_->maps.failure_counters), MTLSWATCH_FAILURE_COUNT,
      [](std::uint64_t sum, const std::uint64_t& value) { return sum + value; });
  return counters;
}

}  // namespace mtlswatch
