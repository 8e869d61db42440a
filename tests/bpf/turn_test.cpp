// SPDX-License-Identifier: Apache-2.0
// Turns: a record where a connection's direction changes, equal positions at both ends, and whose bytes a thread had
// read.
#include <algorithm>
#include <string>
#include <thread>

#include "tests/bpf/live_kernel.h"

namespace mtlswatch::test {
namespace {

enum Note { kClient, kServer1, kOther, kOtherServer };

/// The turns of one direction.
std::vector<mtlswatch_io> turns_of(const Records& records, std::uint64_t cookie, bool sends) {
  std::vector<mtlswatch_io> turns;
  for (const mtlswatch_io& io : fields_of(io_of(records, cookie))) {
    const bool is_send = io.flags & MTLSWATCH_IO_SEND;
    if (io.flags & MTLSWATCH_IO_TURN && is_send == sends) turns.push_back(io);
  }
  return turns;
}

/// Three requests and responses, the first request in two pieces. Requests begin at 0, 3, 8; responses at 0, 7, 8.
void converse(const Listener& listener, Notes& notes) {
  const SocketPair pair(listener);
  notes[kClient] = cookie_of(pair.client);
  notes[kServer1] = cookie_of(pair.server);
  put(pair.client, "a");
  get(pair.server, 1);
  put(pair.client, "bc");
  get(pair.server, 2);
  put(pair.server, "1234567");
  get(pair.client, 7);
  put(pair.client, "defgh");
  get(pair.server, 5);
  put(pair.server, "8");
  get(pair.client, 1);
  put(pair.client, "i");
  get(pair.server, 1);
}

class Turn : public LiveKernel, public testing::WithParamInterface<Network> {};

TEST_P(Turn, begins_where_the_direction_changes_and_is_numbered) {
  const Listener listener(GetParam());
  Child child([&](Notes& notes) { converse(listener, notes); });
  const Records records = run_observed(child, kServer);
  const auto requests = turns_of(records, child.notes()[kServer1], false);
  const auto responses = turns_of(records, child.notes()[kServer1], true);
  ASSERT_EQ(requests.size(), 3u);
  ASSERT_EQ(responses.size(), 2u);
  const std::uint32_t lengths[] = {1, 5, 1};
  for (std::uint32_t index = 0; index < 3; ++index) {
    EXPECT_EQ(requests[index].turn, index + 1);
    EXPECT_EQ(requests[index].length, lengths[index]);
  }
  EXPECT_EQ(responses[0].turn, 1u);
  EXPECT_EQ(responses[1].turn, 2u);
}

TEST_P(Turn, has_the_position_that_the_other_end_tells) {
  const Listener listener(GetParam());
  Child child([&](Notes& notes) { converse(listener, notes); });
  const Records records = run_observed(child, kServer);
  const auto sent = turns_of(records, child.notes()[kClient], true);
  const auto received = turns_of(records, child.notes()[kServer1], false);
  ASSERT_EQ(sent.size(), 3u);
  ASSERT_EQ(received.size(), 3u);
  const std::uint32_t begins[] = {0, 3, 8};
  const bool absolute = GetParam() == Network::kUnixPath;
  for (std::size_t index = 0; index < 3; ++index) {
    EXPECT_EQ(sent[index].position, received[index].position);
    const auto from = absolute ? 0u : static_cast<std::uint32_t>(sent[0].position);
    EXPECT_EQ(static_cast<std::uint32_t>(sent[index].position) - from, begins[index]);
    EXPECT_FALSE(received[index].flags & MTLSWATCH_IO_RELATIVE);
  }
  const auto answers = turns_of(records, child.notes()[kServer1], true);
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(static_cast<std::uint32_t>(answers[1].position - answers[0].position), 7u);
  if (absolute) {
    EXPECT_EQ(answers[0].position, 0u);
  }
}

INSTANTIATE_TEST_SUITE_P(Over, Turn, testing::Values(Network::kTcp4, Network::kTcp6, Network::kUnixPath));

class Witness : public LiveKernel {};

TEST_F(Witness, names_the_other_connection_that_the_thread_had_received_from) {
  const Listener front(Network::kTcp4);
  const Listener behind(Network::kUnixPath);
  Child child([&](Notes& notes) {
    const SocketPair client(front);
    const SocketPair upstream(behind);
    notes[kClient] = cookie_of(client.client);
    notes[kServer1] = cookie_of(client.server);
    notes[kOther] = cookie_of(upstream.client);
    put(client.client, "one");
    get(client.server, 3);
    put(client.server, "continue");
    get(client.client, 8);
    put(client.client, "request");
    get(client.server, 7);
    put(upstream.client, "request");
  });
  const Records records = run_observed(child, kServer);
  const auto forwarded = turns_of(records, child.notes()[kOther], true);
  const auto received = turns_of(records, child.notes()[kServer1], false);
  ASSERT_EQ(forwarded.size(), 1u);
  ASSERT_EQ(received.size(), 2u);
  EXPECT_EQ(forwarded[0].witness_cookie, child.notes()[kServer1]);
  EXPECT_EQ(forwarded[0].witness_turn, 2u);
  EXPECT_EQ(forwarded[0].witness_position, received[1].position);
  const auto first = turns_of(records, child.notes()[kClient], true);
  ASSERT_FALSE(first.empty());
  EXPECT_EQ(first[0].witness_cookie, 0u) << "nothing had been received";
  const auto answer = turns_of(records, child.notes()[kServer1], true);
  ASSERT_EQ(answer.size(), 1u);
  EXPECT_EQ(answer[0].witness_cookie, 0u) << "it is the same connection";
}

TEST_F(Witness, of_the_first_send_is_that_of_connecting) {
  const Listener front(Network::kTcp4);
  const Listener behind(Network::kTcp4);
  Child child([&](Notes& notes) {
    const SocketPair first(front);
    const SocketPair second(front);
    notes[kServer1] = cookie_of(first.server);
    notes[kOtherServer] = cookie_of(second.server);
    put(first.client, "one");
    put(second.client, "two");
    get(first.server, 3);
    const SocketPair upstream(behind);
    notes[kOther] = cookie_of(upstream.client);
    get(second.server, 3);
    put(upstream.client, "1");
    put(upstream.client, "2");
  });
  const Records records = run_observed(child, kServer);
  const auto sends = fields_of(io_of(records, child.notes()[kOther]));
  ASSERT_EQ(sends.size(), 2u);
  EXPECT_EQ(sends[0].witness_cookie, child.notes()[kServer1]);
  EXPECT_EQ(sends[0].witness_turn, 1u);
  EXPECT_EQ(sends[1].witness_cookie, child.notes()[kOtherServer]);
}

TEST_F(Witness, is_told_again_within_a_turn_only_when_it_is_another) {
  const Listener front(Network::kTcp4);
  const Listener behind(Network::kTcp4);
  Child child([&](Notes& notes) {
    const SocketPair first(front);
    const SocketPair second(front);
    const SocketPair upstream(behind);
    notes[kServer1] = cookie_of(first.server);
    notes[kOtherServer] = cookie_of(second.server);
    notes[kOther] = cookie_of(upstream.client);
    put(first.client, "one");
    put(second.client, "two");
    get(first.server, 3);
    put(upstream.client, "1");
    put(upstream.client, "1");
    get(second.server, 3);
    put(upstream.client, "2");
    put(upstream.client, "2");
  });
  const Records records = run_observed(child, kServer);
  const auto sends = fields_of(io_of(records, child.notes()[kOther]));
  ASSERT_EQ(sends.size(), 2u);
  EXPECT_EQ(sends[0].witness_cookie, child.notes()[kServer1]);
  EXPECT_TRUE(sends[0].flags & MTLSWATCH_IO_TURN);
  EXPECT_EQ(sends[1].witness_cookie, child.notes()[kOtherServer]);
  EXPECT_FALSE(sends[1].flags & MTLSWATCH_IO_TURN);
  EXPECT_EQ(static_cast<std::uint32_t>(sends[1].position - sends[0].position), 2u);
}

TEST_F(Witness, is_that_of_the_thread_not_of_the_process) {
  const Listener front(Network::kTcp4);
  const Listener behind(Network::kTcp4);
  Child child([&](Notes& notes) {
    const SocketPair client(front);
    const SocketPair upstream(behind);
    notes[kOther] = cookie_of(upstream.client);
    put(client.client, "one");
    get(client.server, 3);
    std::thread([&] { put(upstream.client, "1"); }).join();
  });
  const Records records = run_observed(child, kServer);
  const auto sends = fields_of(io_of(records, child.notes()[kOther]));
  ASSERT_EQ(sends.size(), 1u);
  EXPECT_EQ(sends[0].witness_cookie, 0u);
}

}  // namespace
}  // namespace mtlswatch::test
