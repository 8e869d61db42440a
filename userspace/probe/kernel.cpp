// SPDX-License-Identifier: Apache-2.0
#include "userspace/probe/kernel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <mtlswatch/event.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <set>

#include "mtlswatch.skel.h"
#include "userspace/probe/kernel_maps.h"
#include "userspace/probe/kernel_programs.h"
#include "userspace/probe/libbpf_log.h"
#include "userspace/probe/uprobe_link.h"

namespace mtlswatch {
namespace {

std::uint32_t probe_key(std::uint32_t slot, ProbePurpose purpose) {
  return slot * MTLSWATCH_PROBE_PURPOSES + static_cast<std::uint32_t>(purpose);
}

std::uint64_t cookie_of(std::uint32_t slot, ProbePurpose purpose, const VerifyLayout& layout, bool asks_caller) {
  return probe_key(slot, purpose) | (asks_caller ? MTLSWATCH_PROBE_ASKS_CALLER : 0) |
         std::uint64_t{layout.error_depth} << MTLSWATCH_PROBE_DEPTH_SHIFT | std::uint64_t{layout.error} << MTLSWATCH_PROBE_ERROR_SHIFT;
}

// An entry alone would leave the thread inside of its handshake call for good.
bool needs_return_probe(const ProbePoint& point) {
  return point.placement == ProbePlacement::kFunctionReturn || point.purpose == ProbePurpose::kPeekEntry;
}

}  // namespace

void Kernel::Destroy::operator()(mtlswatch_bpf* skeleton) const { mtlswatch_bpf__destroy(skeleton); }
void Kernel::Destroy::operator()(bpf_link* link) const { bpf_link__destroy(link); }

Kernel::Kernel(std::unique_ptr<mtlswatch_bpf, Destroy> skeleton, const KernelFeatures& features)
    : skeleton_(std::move(skeleton)), features_(features) {}
Kernel::Kernel(Kernel&&) noexcept = default;
Kernel& Kernel::operator=(Kernel&&) noexcept = default;
Kernel::~Kernel() = default;

Result<Kernel> Kernel::load(const KernelOptions& options) {
  log_libbpf();
  const auto features = usable_features(options.without);
  if (!features) return features.error();
  std::unique_ptr<mtlswatch_bpf, Destroy> skeleton(mtlswatch_bpf__open());
  if (!skeleton) return system_error("open the BPF object", errno);
  std::uint64_t identity_key = 0;
  if (getrandom(&identity_key, sizeof identity_key, 0) != sizeof identity_key) return system_error("getrandom", errno);
  skeleton->rodata->socket_identity_key = identity_key;
  skeleton->rodata->agent_pid = static_cast<std::uint32_t>(getpid());
  bpf_map__set_max_entries(skeleton->maps.records, std::bit_ceil(options.ring_bytes));
  configure_programs(skeleton.get(), *features);
  const int failure = mtlswatch_bpf__load(skeleton.get());
  if (failure != 0) return system_error("load the BPF programs", -failure);
  return Kernel(std::move(skeleton), *features);
}

Status Kernel::attach() {
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, skeleton_->obj) {
    const bpf_attach_type type = bpf_program__expected_attach_type(program);
    if (!bpf_program__autoload(program) || (type != BPF_TRACE_RAW_TP && type != BPF_TRACE_FEXIT)) continue;
    Link link(bpf_program__attach(program));
    if (!link) return system_error(std::string("attach ") + bpf_program__name(program), errno);
    links_.push_back(std::move(link));
  }
  return Done{};
}

bpf_program* Kernel::program_for(ProbePurpose purpose) const {
  const auto& programs = skeleton_->progs;
  switch (purpose) {
    case ProbePurpose::kHandshakeEntry: return programs.on_handshake;
    case ProbePurpose::kHandshakeReturn: return programs.on_handshake_return;
    case ProbePurpose::kCertificate: return programs.on_certificate;
    case ProbePurpose::kVerifyResult: return programs.on_verify_result;
    case ProbePurpose::kError: return programs.on_error;
    case ProbePurpose::kErrorLegacy: return programs.on_error_legacy;
    case ProbePurpose::kSessionOffered: return programs.on_session_offered;
    case ProbePurpose::kSessionStored: return programs.on_session_stored;
    case ProbePurpose::kSessionFound: return programs.on_session_found;
    case ProbePurpose::kSessionAsked: return programs.on_session_asked;
    case ProbePurpose::kSessionTaken: return programs.on_session_taken;
    case ProbePurpose::kPeekEntry: return programs.on_peek;
    case ProbePurpose::kPeekReturn: return programs.on_peek_return;
    case ProbePurpose::kRead: return programs.on_read;
    case ProbePurpose::kReadResult: return programs.on_read_result;
    case ProbePurpose::kBioWrite: return programs.on_bio_write;
    case ProbePurpose::kStreamRead: return programs.on_stream_read;
    case ProbePurpose::kVerifyContext: return programs.on_verify_context;
    case ProbePurpose::kVerifyCallbackSet: return programs.on_callback_set;
    case ProbePurpose::kVerifyCallback: return programs.on_verify_callback;
  }
  return nullptr;
}

Result<Uprobe> Kernel::attach_point(const ProbePoint& point, const std::string& path, std::uint64_t cookie) {
  const bool at_return = point.placement == ProbePlacement::kFunctionReturn;
  auto probe = Uprobe::place(features_.uprobes, program_for(point.purpose), {path.c_str(), point.file_offset, cookie, at_return});
  if (!probe) return probe.error().in(point.symbol);
  return probe;
}

std::optional<std::uint32_t> Kernel::take_slot() {
  for (std::uint32_t slot = 0; slot < MTLSWATCH_PROBE_SLOTS; ++slot) {
    if (library_links_.try_emplace(slot).second) return slot;
  }
  return std::nullopt;
}

LibraryAttachment Kernel::attach_library(const LibraryPlan& plan, const std::string& path, bool with_return_probes,
                                         bool asks_caller) {
  LibraryAttachment result{.slot = take_slot(), .attached = 0, .failures = std::vector<std::string>(plan.points.size())};
  auto& links = library_links_[result.slot.value_or(MTLSWATCH_PROBE_SLOTS)];  // the last one to come is the first to go
  std::string missing = result.slot ? "" : "too many libraries are probed";
  for (std::size_t i = plan.points.size(); i-- > 0;) {
    const ProbePoint& point = plan.points[i];
    std::string& failure = result.failures[i];
    if (!missing.empty()) {
      failure = missing;  // the rest would tell a part of the truth
    } else if (needs_return_probe(point) && !with_return_probes) {
      failure = point.symbol + ": return probes are not safe on this kernel";
    } else {
      auto link = attach_point(point, path, cookie_of(*result.slot, point.purpose, plan.layout, asks_caller));
      if (link) links.insert(links.begin(), std::move(*link));
      if (!link) failure = link.error().message;
    }
    result.attached += failure.empty();
    if (is_essential(point.purpose)) missing = failure;
  }
  return result;
}

void Kernel::detach_library(std::uint32_t slot) {
  auto& links = library_links_[slot];
  while (!links.empty()) links.erase(links.begin());  // where a handshake begins goes first
  library_links_.erase(slot);
  const std::vector<mtlswatch_probe_hits> none(static_cast<std::size_t>(libbpf_num_possible_cpus()));
  for (std::uint32_t purpose = 0; purpose < MTLSWATCH_PROBE_PURPOSES; ++purpose) {
    const std::uint32_t key = slot * MTLSWATCH_PROBE_PURPOSES + purpose;
    bpf_map_update_elem(bpf_map__fd(skeleton_->maps.probe_hits), &key, none.data(), BPF_ANY);
  }
}

ProbeHits Kernel::hits(std::uint32_t slot, ProbePurpose purpose) const {
  const std::uint32_t key = probe_key(slot, purpose);
  std::vector<mtlswatch_probe_hits> values(static_cast<std::size_t>(libbpf_num_possible_cpus()));
  ProbeHits sum;
  if (bpf_map_lookup_elem(bpf_map__fd(skeleton_->maps.probe_hits), &key, values.data()) != 0) return sum;
  for (const mtlswatch_probe_hits& value : values) {
    sum.count += value.count;
    sum.last_ns = std::max<std::uint64_t>(sum.last_ns, value.last_ns);
  }
  return sum;
}

Status Kernel::add_calling_file(std::uint64_t inode) {
  const std::uint8_t present = 1;
  if (bpf_map_update_elem(bpf_map__fd(skeleton_->maps.calling_files), &inode, &present, BPF_ANY) == 0) return Done{};
  return system_error("note a calling library", errno);
}

Status Kernel::attach_streams(const std::vector<StreamPoint>& points, const std::string& path, std::uint32_t pid) {
  const auto& programs = skeleton_->progs;
  bpf_program* const by_purpose[] = {  // in StreamPurpose's order
      programs.on_client_session, programs.on_client_gone,   programs.on_stream,  programs.on_stream_side,
      programs.on_check_side,     programs.on_stream_attach, programs.on_upstream, programs.on_forwarding,
      programs.on_peer};
  std::vector<Uprobe> links;
  for (const StreamPoint& point : points) {
    auto probe = Uprobe::place(features_.uprobes, by_purpose[static_cast<std::size_t>(point.purpose)], {path.c_str(), point.file_offset, 0, false, pid});
    if (!probe) return probe.error().in(point.symbol);
    links.push_back(std::move(*probe));
  }
  std::move(links.begin(), links.end(), std::back_inserter(stream_links_[pid]));
  return Done{};
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
  auto records = run_iterator(skeleton_->progs.on_listener, "of listeners");
  if (records) forget_all_listeners_but(*records);
  return records;
}

// Later that port may be the near end of a connection that somebody makes.
void Kernel::forget_all_listeners_but(std::span<const std::uint8_t> records) {
  std::set<ListeningPort> present;
  for (; records.size() >= sizeof(mtlswatch_connection); records = records.subspan(sizeof(mtlswatch_connection))) {
    mtlswatch_connection listener;
    std::memcpy(&listener, records.data(), sizeof listener);
    if (listener.family != AF_UNIX) present.insert({listener.netns, listener.local_port});
  }
  const bpf_map* map = skeleton_->maps.listening_ports;
  for (const ListeningPort& port : keys_of<ListeningPort>(map)) {
    if (!present.contains(port)) bpf_map_delete_elem(bpf_map__fd(map), &port);
  }
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

std::uint64_t Kernel::records_lost() const { return __atomic_load_n(&skeleton_->bss->records_lost, __ATOMIC_RELAXED); }

std::vector<std::uint32_t> Kernel::observed_pids() const {
  return keys_of<std::uint32_t>(skeleton_->maps.observed_processes);
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
