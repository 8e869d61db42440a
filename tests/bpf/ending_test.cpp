// SPDX-License-Identifier: Apache-2.0
// How a connection stalls and ends: a peer that does not read, an end of stream, a close.
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "tests/bpf/live_kernel.h"

namespace mtlswatch::test {
namespace {

enum Note { kClient, kServer1, kSent };

SocketPair noted_pair(const Listener& listener, Notes& notes) {
  const SocketPair pair(listener);
  notes[kClient] = cookie_of(pair.client);
  notes[kServer1] = cookie_of(pair.server);
  return pair;
}

std::size_t send_until_full(int fd) {
  const std::string chunk(64 * 1024, 'x');
  must(fcntl(fd, F_SETFL, O_NONBLOCK) == 0, "fcntl");
  std::size_t sent = 0;
  for (ssize_t moved = 0; (moved = send(fd, chunk.data(), chunk.size(), 0)) > 0;)
    sent += static_cast<std::size_t>(moved);
  must(errno == EAGAIN, "send");
  return sent;
}

void wait_writable(int fd) {
  pollfd writable{fd, POLLOUT, 0};
  must(poll(&writable, 1, 5000) == 1, "wait for space");
}

class Ending : public LiveKernel, public testing::WithParamInterface<Network> {};

TEST_P(Ending, of_a_stream_is_told_once) {
  const Listener listener(GetParam());
  Child child([&](Notes& notes) {
    const SocketPair pair = noted_pair(listener, notes);
    put(pair.client, "GET");
    get(pair.server, 3);
    close(pair.client);
    char byte = 0;
    for (int again = 0; again < 3; ++again) must(recv(pair.server, &byte, 1, 0) == 0, "end of stream");
  });
  const Records records = run_observed(child, kBackend);
  const Records io = io_of(records, child.notes()[kServer1]);
  ASSERT_EQ(io.size(), 2u);
  const mtlswatch_io end = only_io_with(io, MTLSWATCH_IO_END);
  EXPECT_EQ(end.length, 0u);
  EXPECT_EQ(end.captured_bytes, 0u);
  EXPECT_EQ(static_cast<std::uint32_t>(end.position - io[0].as<mtlswatch_io>().position), 3u);
}

TEST_P(Ending, of_a_stream_that_is_there_already_does_not_move_what_is_read_with_it) {
  const Listener listener(GetParam());
  Child child([&](Notes& notes) {
    const SocketPair pair = noted_pair(listener, notes);
    put(pair.client, "GET");
    close(pair.client);
    char buffer[100];
    must(recv(pair.server, buffer, sizeof buffer, 0) == 3, "recv");
    must(recv(pair.server, buffer, sizeof buffer, 0) == 0, "end of stream");
  });
  const Records records = run_observed(child, kServer);
  EXPECT_EQ(connection_of(records, child.notes()[kServer1]).flags, 0u);
  const auto sent = fields_of(io_of(records, child.notes()[kClient]));
  const auto received = fields_of(io_of(records, child.notes()[kServer1]));
  ASSERT_EQ(sent.size(), 1u);
  ASSERT_EQ(received.size(), 2u);
  EXPECT_EQ(received[0].position, sent[0].position);
  EXPECT_EQ(static_cast<std::uint32_t>(received[1].position - sent[0].position), 3u);
}

TEST_P(Ending, of_a_stream_that_never_spoke_is_told) {
  const Listener listener(GetParam());
  Child child([&](Notes& notes) {
    const SocketPair pair = noted_pair(listener, notes);
    close(pair.client);
    char byte = 0;
    must(recv(pair.server, &byte, 1, 0) == 0, "end of stream");
  });
  const Records records = run_observed(child, kServer);
  EXPECT_EQ(connection_of(records, child.notes()[kServer1]).flags, 0u);
  EXPECT_EQ(io_of(records, child.notes()[kServer1]).size(), 1u);
  only_io_with(io_of(records, child.notes()[kServer1]), MTLSWATCH_IO_END);
}

INSTANTIATE_TEST_SUITE_P(Over, Ending, testing::Values(Network::kTcp4, Network::kUnixPath));

TEST_F(Ending, of_tcp_sockets_is_told_when_they_close) {
  const Listener listener(Network::kTcp4);
  Child child([&](Notes& notes) {
    const SocketPair pair = noted_pair(listener, notes);
    put(pair.client, "GET");
    get(pair.server, 3);
    close(pair.client);
    close(pair.server);
  });
  run_observed(child, kServer);
  const auto closes_of = [&](std::uint64_t cookie) {
    const Records closes = of_kind(records_of(child.pid()), MTLSWATCH_KIND_CLOSE);
    return std::count_if(closes.begin(), closes.end(),
                         [&](const Record& record) { return record.as<mtlswatch_close>().cookie == cookie; });
  };
  const bool told = ring().wait_for([&](const Records&) {
    return closes_of(child.notes()[kClient]) >= 1 && closes_of(child.notes()[kServer1]) >= 1;
  });
  EXPECT_TRUE(told);
  EXPECT_EQ(closes_of(child.notes()[kClient]), 1);
  EXPECT_EQ(closes_of(child.notes()[kServer1]), 1);
}

class Stall : public LiveKernel, public testing::WithParamInterface<Network> {};

TEST_P(Stall, says_blocked_once_and_resumed_at_the_next_send_with_space) {
  const Listener listener(GetParam());
  Child child([&](Notes& notes) {
    const SocketPair pair = noted_pair(listener, notes);
    put(pair.client, "GET");
    get(pair.server, 3);
    notes[kSent] = send_until_full(pair.server);
    get(pair.client, notes[kSent]);
    wait_writable(pair.server);
    put(pair.server, "more");
    put(pair.server, "still more");
  });
  const Records records = run_observed(child, kServer);
  const Records io = io_of(records, child.notes()[kServer1]);
  const mtlswatch_io blocked = only_io_with(io, MTLSWATCH_IO_BLOCKED);
  const mtlswatch_io resumed = io.empty() ? mtlswatch_io{} : io.back().as<mtlswatch_io>();
  EXPECT_GT(child.notes()[kSent], 0u);
  EXPECT_EQ(resumed.flags & (MTLSWATCH_IO_RESUMED | MTLSWATCH_IO_BLOCKED), MTLSWATCH_IO_RESUMED);
  EXPECT_EQ(resumed.length, 4u);
  EXPECT_GE(resumed.header.time_ns, blocked.header.time_ns);
}

INSTANTIATE_TEST_SUITE_P(Over, Stall, testing::Values(Network::kTcp4, Network::kTcp6, Network::kUnixPath));

}  // namespace
}  // namespace mtlswatch::test
