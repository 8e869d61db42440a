// SPDX-License-Identifier: Apache-2.0
// One call that drives a handshake: what is seen between its entry and its return, and to which socket it belongs.
#include <unistd.h>

#include <ctime>
#include <string>
#include <string_view>
#include <thread>

#include "tests/bpf/cores.h"

namespace mtlswatch::test {
namespace {

constexpr int kLibrarySsl = 20;
constexpr int kLibraryX509 = 11;

std::uint64_t boot_time_ns() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

class HandshakeCore : public Cores {
 protected:
  std::uint64_t next_session_ = kSession + 100;
};

TEST_F(HandshakeCore, what_was_fed_belongs_to_the_next_call_unless_the_thread_went_on_to_another_socket) {
  feed(7);
  receive_outside(7);
  enter(kSession);
  EXPECT_EQ(left_with(-1).cookie, 7u);
  feed(8);
  receive_outside(9);
  enter(kSession + 1);
  EXPECT_EQ(left_with(-1).cookie, 0u);
}

TEST_F(HandshakeCore, belongs_to_the_connection_whose_first_bytes_were_fed_to_memory) {
  const std::string hello = "\x16\x03\x01" + std::string(100, 'h');
  const std::string http = "GET / HTTP/1.1\r\n\r\n", other = "GET / HTTP/1.0\r\n\r\n";
  const auto fed = [&](std::string_view first, bool is_tls, std::string_view bytes) {
    keep_first(7, first, is_tls);
    receive_outside(7);
    bytes_fed(bytes);
    enter(next_session_++);
    return left_with(-1).cookie;
  };
  EXPECT_EQ(fed(hello, true, hello), 7u);
  EXPECT_EQ(fed(http, false, http), 7u);
  EXPECT_EQ(fed("\x16\x99" "garbage", false, "\x16\x99" "garbage"), 7u);
  EXPECT_EQ(fed(http, false, other), 0u);
  EXPECT_EQ(fed(http, false, http.substr(0, 10)), 0u);
}

// What came on another connection since, and was fed to TLS, may be a copy of what this one began with.
TEST_F(HandshakeCore, belongs_to_nobody_where_another_connection_was_received_from_since) {
  const std::string http = "GET / HTTP/1.1\r\n\r\n";
  keep_first(7, http, false);
  receive_outside(7);
  receive_outside(8);
  bytes_fed(http);
  enter(next_session_++);
  EXPECT_EQ(left_with(-1).cookie, 0u);
}

// Beginnings that are alike on many connections, and from which a handshake may still come.
TEST_F(HandshakeCore, belongs_to_nobody_where_too_little_of_a_hello_was_fed_to_tell_whose_it_is) {
  const std::string_view beginnings[] = {"\x16\x03\x01", "\x16", "\x80\x40\x01\x03\x01"};
  for (const std::string_view beginning : beginnings) {
    keep_first(7, beginning, beginning.size() > 1 && beginning[0] == '\x16');
    receive_outside(7);
    bytes_fed(beginning);
    enter(next_session_++);
    EXPECT_EQ(left_with(-1).cookie, 0u);
  }
}

TEST_F(HandshakeCore, tells_all_that_was_seen_inside_the_call) {
  const std::uint64_t before = boot_time_ns();
  enter();
  receive(7, MTLSWATCH_ROLE_INGRESS, 517);
  verify_result(18);
  error(kLibrarySsl, 134);
  const mtlswatch_handshake told = left_with(-1);
  EXPECT_EQ(told.ssl, kSession);
  EXPECT_EQ(told.cookie, 7u);
  EXPECT_EQ(told.result, -1);
  EXPECT_EQ(told.verify_code, 18);
  EXPECT_EQ(told.reason, 134);
  EXPECT_EQ(told.receive_result, 517);
  EXPECT_EQ(told.certificates, 0u);
  EXPECT_EQ(told.flags, MTLSWATCH_HANDSHAKE_VERIFIED | MTLSWATCH_HANDSHAKE_REASON | MTLSWATCH_HANDSHAKE_RECEIVED);
  EXPECT_GE(told.started_ns, before);
  EXPECT_GE(told.header.time_ns, told.started_ns);
  EXPECT_LE(told.header.time_ns, boot_time_ns());
  EXPECT_EQ(told.header.pid, static_cast<std::uint32_t>(getpid()));
  EXPECT_EQ(told.header.tid, static_cast<std::uint32_t>(gettid()));
}

TEST_F(HandshakeCore, starts_each_call_with_nothing_seen) {
  enter();
  receive(7, MTLSWATCH_ROLE_INGRESS, 517);
  receive(8, MTLSWATCH_ROLE_INGRESS, 517);
  verify_result(18);
  error(kLibrarySsl, 134);
  left_with(-1);
  enter(kSession + 1);
  const mtlswatch_handshake told = left_with(1);
  EXPECT_EQ(told.ssl, kSession + 1);
  EXPECT_EQ(told.cookie, 0u);
  EXPECT_EQ(told.verify_code, 0);
  EXPECT_EQ(told.reason, 0);
  EXPECT_EQ(told.receive_result, 0);
  EXPECT_EQ(told.flags, 0u);
}

TEST_F(HandshakeCore, keeps_the_first_reason_of_libssl) {
  enter();
  error(kLibraryX509, 5);
  error(kLibrarySsl, 134);
  error(kLibrarySsl, 220);
  error(kLibraryX509, 6);
  const mtlswatch_handshake told = left_with(-1);
  EXPECT_EQ(told.reason, 134);
  EXPECT_EQ(told.flags, static_cast<std::uint32_t>(MTLSWATCH_HANDSHAKE_REASON));
}

TEST_F(HandshakeCore, has_no_reason_when_only_other_libraries_gave_one) {
  enter();
  error(kLibraryX509, 5);
  EXPECT_EQ(left_with(-1).flags, 0u);
}

TEST_F(HandshakeCore, keeps_the_last_verify_result_and_tells_a_good_one_from_none) {
  enter();
  verify_result(18);
  verify_result(0);
  const mtlswatch_handshake told = left_with(1);
  EXPECT_EQ(told.verify_code, 0);
  EXPECT_EQ(told.flags, static_cast<std::uint32_t>(MTLSWATCH_HANDSHAKE_VERIFIED));
}

TEST_F(HandshakeCore, tells_that_a_call_inside_may_have_been_missed) {
  missed_call();
  enter();
  EXPECT_EQ(left_with(-1).flags, 0u);
  enter();
  missed_call();
  EXPECT_EQ(left_with(1).flags, MTLSWATCH_HANDSHAKE_INCOMPLETE);
  EXPECT_EQ(failures(MTLSWATCH_FAILURE_FIND_CALLER), 2u);
}

TEST_F(HandshakeCore, says_nothing_outside_a_call) {
  const char* der = "der";
  certificate(&der, 3);
  verify_result(1);
  error(kLibrarySsl, 134);
  receive(7, MTLSWATCH_ROLE_INGRESS, 517);
  leave(1);
  EXPECT_EQ(take().size(), 0u);
  enter();
  left_with(1);
  certificate(&der, 3);
  leave(1);
  EXPECT_EQ(take().size(), 0u);
  EXPECT_EQ(count(MTLSWATCH_KIND_HANDSHAKE).submitted, 1u);
  EXPECT_EQ(count(MTLSWATCH_KIND_CERTIFICATE).submitted, 0u);
}

TEST_F(HandshakeCore, keeps_threads_apart) {
  enter();
  std::thread([this] {
    const char* der = "der";
    certificate(&der, 3);
    verify_result(18);
    leave(-1);
  }).join();
  EXPECT_EQ(take().size(), 0u);
  EXPECT_EQ(left_with(1).flags, 0u);
}

TEST_F(HandshakeCore, belongs_to_the_socket_however_often_it_is_received_from) {
  enter();
  receive(7, MTLSWATCH_ROLE_INGRESS, 517);
  receive(7, MTLSWATCH_ROLE_UNKNOWN, -11);
  const mtlswatch_handshake told = left_with(-1);
  EXPECT_EQ(told.cookie, 7u);
  EXPECT_EQ(told.receive_result, -11);
  EXPECT_EQ(told.flags, static_cast<std::uint32_t>(MTLSWATCH_HANDSHAKE_RECEIVED));
}

TEST_F(HandshakeCore, belongs_to_no_socket_when_two_were_received_from) {
  const char* der = "der";
  enter();
  receive(7, MTLSWATCH_ROLE_INGRESS, 517);
  receive(8, MTLSWATCH_ROLE_INGRESS, 99);
  receive(7, MTLSWATCH_ROLE_INGRESS, 5);
  certificate(&der, 3);
  leave(1);
  const Records records = take();
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].as<mtlswatch_certificate>().cookie, 0u);
  EXPECT_EQ(records[1].as<mtlswatch_handshake>().cookie, 0u);
  EXPECT_TRUE(records[1].as<mtlswatch_handshake>().flags & MTLSWATCH_HANDSHAKE_CONFLICT);
}

TEST_F(HandshakeCore, does_not_belong_to_a_socket_pair) {
  enter();
  receive(7, MTLSWATCH_ROLE_OTHER, 1);
  receive(8, MTLSWATCH_ROLE_INGRESS, 517);
  receive(9, MTLSWATCH_ROLE_OTHER, 1);
  const mtlswatch_handshake told = left_with(1);
  EXPECT_EQ(told.cookie, 8u);
  EXPECT_EQ(told.receive_result, 517);
  EXPECT_FALSE(told.flags & MTLSWATCH_HANDSHAKE_CONFLICT);
}

}  // namespace
}  // namespace mtlswatch::test
