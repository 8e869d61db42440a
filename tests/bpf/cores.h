// SPDX-License-Identifier: Apache-2.0
// The inline cores of bpf/, run one at a time in this thread by BPF_PROG_TEST_RUN. The base of their tests.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string_view>

#include "tests/bpf/ring_records.h"

struct bpf_program;
struct cores_bpf;

namespace mtlswatch::test {

inline constexpr std::uint64_t kSession = 0x5551;       ///< an SSL object's address
inline constexpr std::uint32_t kRingBytes = 64 * 1024;  ///< small, so that tests can wrap and fill it

class Cores : public testing::Test {
 protected:
  void SetUp() override;

  /// This process is one that the agent watches.
  void observe(std::uint32_t flags = MTLSWATCH_OBSERVED_SERVER);
  void enter(std::uint64_t ssl = kSession);
  void leave(int result);
  /// A call of SSL_read that is to put what it reads there.
  void enter_read(const void* buffer, std::uint64_t ssl = kSession);
  /// The same; the only record that it makes. A failure if that is another one.
  mtlswatch_handshake left_with(int result);
  /// A connection's ClientHello was handed to memory that an SSL object reads from.
  void feed(std::uint64_t cookie);
  /// The first bytes of a connection were received; bytes were handed to memory.
  void keep_first(std::uint64_t cookie, std::string_view bytes, bool is_tls);
  void bytes_fed(std::string_view bytes);
  /// A receive outside of any call.
  void receive_outside(std::uint64_t cookie, std::uint64_t turn = 1);
  void certificate(const void* in, std::uint64_t length);
  void session_offered(const void* in, std::uint64_t length);
  void verify_result(int code);
  /// A verification begins: cookie as that of the probe that saw its certificate.
  void expect_verification(std::uint64_t cookie);
  void verify_callback_set();
  void verify_callback(int preverify_ok, const void* context);
  void verify_context(const void* context);
  void error(int library, int reason);
  /// A probed function was called, and by whom could not be found out.
  void missed_call();
  /// A receive on a socket inside the call.
  void receive(std::uint64_t cookie, mtlswatch_role role, int result);
  void message(const void* data, std::uint64_t wanted, std::uint64_t length, std::uint64_t position = 0);
  /// A connection record without any of its facts.
  void reserved_record();
  /// Of records that nobody has taken out of the ring.
  std::uint32_t waiting_bytes();
  /// What the program that looks for the current system call's buffer returns.
  std::uint32_t user_message();

  Records take() { return ring_->take(); }
  void drain_beside(const std::function<void()>& work) { ring_->drain_beside(work); }
  mtlswatch_record_counter count(mtlswatch_kind kind) const;
  std::uint64_t failures(mtlswatch_failure place) const;

 private:
  struct Destroy {
    void operator()(cores_bpf* skeleton) const;
  };
  std::uint32_t run(bpf_program* program, std::initializer_list<std::uint64_t> arguments);
  std::unique_ptr<cores_bpf, Destroy> skeleton_;
  std::optional<RingRecords> ring_;
};

/// Memory of which the last page ends at an address that cannot be read.
class EdgeOfMemory {
 public:
  EdgeOfMemory();
  ~EdgeOfMemory();
  EdgeOfMemory(const EdgeOfMemory&) = delete;
  /// The last bytes that can be read.
  const char* last(std::size_t bytes) const;

 private:
  char* pages_;
};

}  // namespace mtlswatch::test
