// SPDX-License-Identifier: Apache-2.0
#include "tests/bpf/cores.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <vector>

#include "cores.skel.h"

namespace mtlswatch::test {
namespace {

constexpr std::size_t kReadablePages = 8;

std::size_t page_bytes() { return static_cast<std::size_t>(sysconf(_SC_PAGESIZE)); }

template <typename T>
std::vector<T> per_cpu(const bpf_map* map, std::uint32_t key) {
  std::vector<T> values(static_cast<std::size_t>(libbpf_num_possible_cpus()));
  EXPECT_EQ(bpf_map_lookup_elem(bpf_map__fd(map), &key, values.data()), 0);
  return values;
}

}  // namespace

void Cores::Destroy::operator()(cores_bpf* skeleton) const { cores_bpf__destroy(skeleton); }

void Cores::SetUp() {
  skeleton_.reset(cores_bpf__open());
  ASSERT_TRUE(skeleton_);
  bpf_map__set_max_entries(skeleton_->maps.records, kRingBytes);
  ASSERT_EQ(cores_bpf__load(skeleton_.get()), 0);
  ring_.emplace(bpf_map__fd(skeleton_->maps.records));
}

std::uint32_t Cores::run(bpf_program* program, std::initializer_list<std::uint64_t> arguments) {
  std::array<std::uint64_t, 6> context{};
  std::copy(arguments.begin(), arguments.end(), context.begin());
  LIBBPF_OPTS(bpf_test_run_opts, options);
  options.ctx_in = context.data();
  options.ctx_size_in = sizeof context;
  EXPECT_EQ(bpf_prog_test_run_opts(bpf_program__fd(program), &options), 0) << bpf_program__name(program);
  return options.retval;
}

void Cores::observe(std::uint32_t flags) {
  const auto pid = static_cast<std::uint32_t>(getpid());
  ASSERT_EQ(bpf_map_update_elem(bpf_map__fd(skeleton_->maps.observed_processes), &pid, &flags, BPF_ANY), 0);
}

void Cores::enter(std::uint64_t ssl) { run(skeleton_->progs.run_enter_handshake, {ssl}); }

void Cores::enter_read(const void* buffer, std::uint64_t ssl) {
  run(skeleton_->progs.run_enter_read, {ssl, reinterpret_cast<std::uint64_t>(buffer)});
}

void Cores::leave(int result) { run(skeleton_->progs.run_leave_handshake, {static_cast<std::uint64_t>(result)}); }

mtlswatch_handshake Cores::left_with(int result) {
  leave(result);
  const Records records = take();
  EXPECT_EQ(records.size(), 1u);
  if (records.empty()) return {};
  EXPECT_EQ(records[0].kind(), static_cast<std::uint32_t>(MTLSWATCH_KIND_HANDSHAKE));
  EXPECT_EQ(records[0].bytes().size(), sizeof(mtlswatch_handshake));
  return records[0].as<mtlswatch_handshake>();
}

void Cores::feed(std::uint64_t cookie) { run(skeleton_->progs.run_feed, {cookie}); }

void Cores::keep_first(std::uint64_t cookie, std::string_view bytes, bool is_tls) {
  run(skeleton_->progs.run_keep_first, {cookie, reinterpret_cast<std::uint64_t>(bytes.data()), bytes.size(), is_tls});
}

void Cores::bytes_fed(std::string_view bytes) {
  run(skeleton_->progs.run_see_bytes_fed, {reinterpret_cast<std::uint64_t>(bytes.data()), bytes.size()});
}

void Cores::receive_outside(std::uint64_t cookie, std::uint64_t turn) { run(skeleton_->progs.run_note_received, {cookie, turn}); }

void Cores::certificate(const void* in, std::uint64_t length) {
  run(skeleton_->progs.run_see_certificate, {reinterpret_cast<std::uint64_t>(in), length});
}

void Cores::session_offered(const void* in, std::uint64_t length) {
  run(skeleton_->progs.run_see_session_offered, {reinterpret_cast<std::uint64_t>(in), length});
}

void Cores::verify_result(int code) { run(skeleton_->progs.run_see_verify_result, {static_cast<std::uint64_t>(code)}); }

void Cores::expect_verification(std::uint64_t cookie) { run(skeleton_->progs.run_expect_verification, {cookie}); }

void Cores::verify_callback_set() { run(skeleton_->progs.run_see_verify_callback_set, {}); }

void Cores::verify_callback(int preverify_ok, const void* context) {
  run(skeleton_->progs.run_see_verify_callback,
      {static_cast<std::uint64_t>(preverify_ok), reinterpret_cast<std::uint64_t>(context)});
}

void Cores::verify_context(const void* context) {
  run(skeleton_->progs.run_see_verify_context, {reinterpret_cast<std::uint64_t>(context)});
}

void Cores::error(int library, int reason) {
  run(skeleton_->progs.run_see_error, {static_cast<std::uint64_t>(library), static_cast<std::uint64_t>(reason)});
}

void Cores::missed_call() { run(skeleton_->progs.run_note_missed_call, {}); }

void Cores::receive(std::uint64_t cookie, mtlswatch_role role, int result) {
  run(skeleton_->progs.run_bind_handshake,
      {cookie, static_cast<std::uint64_t>(role), static_cast<std::uint64_t>(result)});
}

void Cores::message(const void* data, std::uint64_t wanted, std::uint64_t length, std::uint64_t position) {
  run(skeleton_->progs.run_emit_message, {reinterpret_cast<std::uint64_t>(data), wanted, length, position});
}

void Cores::reserved_record() { run(skeleton_->progs.run_reserve_record, {}); }

std::uint32_t Cores::waiting_bytes() { return run(skeleton_->progs.run_waiting_bytes, {}); }

std::uint32_t Cores::user_message() { return run(skeleton_->progs.run_user_message, {}); }

mtlswatch_record_counter Cores::count(mtlswatch_kind kind) const {
  mtlswatch_record_counter sum{};
  for (const auto& value : per_cpu<mtlswatch_record_counter>(skeleton_->maps.record_counters, kind)) {
    sum.submitted += value.submitted;
    sum.dropped += value.dropped;
  }
  return sum;
}

std::uint64_t Cores::failures(mtlswatch_failure place) const {
  std::uint64_t sum = 0;
  for (const std::uint64_t value : per_cpu<std::uint64_t>(skeleton_->maps.failure_counters, place)) sum += value;
  return sum;
}

EdgeOfMemory::EdgeOfMemory()
    : pages_(static_cast<char*>(mmap(nullptr, (kReadablePages + 1) * page_bytes(), PROT_READ | PROT_WRITE,
                                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {
  std::memset(pages_, 'e', kReadablePages * page_bytes());  // the kernel side does not fault pages in
  munmap(pages_ + kReadablePages * page_bytes(), page_bytes());
}

EdgeOfMemory::~EdgeOfMemory() { munmap(pages_, kReadablePages * page_bytes()); }

const char* EdgeOfMemory::last(std::size_t bytes) const { return pages_ + kReadablePages * page_bytes() - bytes; }

}  // namespace mtlswatch::test
