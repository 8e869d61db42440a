// SPDX-License-Identifier: Apache-2.0
// Whose request goes upstream, as the calls of a proxy that queues tell it: each test is one thread of such a proxy.
#include "tests/bpf/stream_cores.h"

namespace mtlswatch::test {
namespace {

// Addresses of a proxy's objects, and cookies of sockets.
constexpr std::uint64_t kAliceSession = 0xa0, kBobSession = 0xb0;
constexpr std::uint64_t kSide = 0x51, kOtherSide = 0x52, kConnection = 0xc1, kOtherConnection = 0xc2;
constexpr std::uint64_t kAlice = 11, kBob = 12, kUpstream = 21, kOtherUpstream = 22;

class StreamCore : public StreamCores {
 protected:
  void begin_session(std::uint64_t session) { run(skeleton_->progs.run_begin_session, session); }
  void end_session(std::uint64_t session) { run(skeleton_->progs.run_end_session, session); }
  void begin_stream(std::uint64_t session, std::uint64_t side) { run(skeleton_->progs.run_begin_stream, session, side); }
  void begin_check(std::uint64_t side) { run(skeleton_->progs.run_begin_check, side); }
  void attach(std::uint64_t side, std::uint64_t connection) { run(skeleton_->progs.run_attach_stream, side, connection); }
  void receive_of_handshake(std::uint64_t cookie) { run(skeleton_->progs.run_receive, cookie, 7, 0x551); }
  void start_connecting(std::uint64_t connection) { run(skeleton_->progs.run_connect_upstream, connection); }
  void connect(std::uint64_t connection, std::uint64_t cookie) {
    start_connecting(connection);
    name_connecting(cookie);
  }

  /// Alice's request, up to the stream's upstream side.
  void alice_asks(std::uint64_t side = kSide) {
    begin_session(kAliceSession);
    receive(kAlice);
    begin_stream(kAliceSession, side);
  }
};

TEST_F(StreamCore, ties_a_new_upstream_connection_to_the_client_when_it_connects) {
  alice_asks();
  attach(kSide, kConnection);
  EXPECT_TRUE(told().empty()) << "its socket is not known yet";
  connect(kConnection, kUpstream);
  const auto streams = told();
  ASSERT_EQ(streams.size(), 1u);
  EXPECT_EQ(streams[0].cookie, kUpstream);
  EXPECT_EQ(streams[0].ingress_cookie, kAlice);
  EXPECT_EQ(streams[0].received_cookie, kAlice);
  EXPECT_EQ(streams[0].received_position, 7u);
  EXPECT_EQ(streams[0].flags, static_cast<std::uint32_t>(MTLSWATCH_STREAM_FIRST));
  EXPECT_NE(streams[0].session_started_ns, 0u);
}

TEST_F(StreamCore, ties_an_idle_connection_when_a_stream_is_given_it) {
  alice_asks();
  attach(kSide, kConnection);
  connect(kConnection, kUpstream);
  told();
  begin_session(kBobSession);
  receive(kBob);
  begin_stream(kBobSession, kOtherSide);
  receive(kAlice);  // the queue: others are read from before bob's turn comes
  attach(kOtherSide, kConnection);
  EXPECT_EQ(told_client(), kBob);
}

TEST_F(StreamCore, keeps_a_sessions_client_whatever_its_later_streams_come_after) {
  alice_asks();
  receive(kBob);
  begin_stream(kAliceSession, kOtherSide);  // pipelined: nothing was received for it
  attach(kOtherSide, kConnection);
  connect(kConnection, kUpstream);
  const auto streams = told();
  ASSERT_EQ(streams.size(), 1u);
  EXPECT_EQ(streams[0].ingress_cookie, kAlice);
  EXPECT_EQ(streams[0].received_cookie, kBob);
  EXPECT_EQ(streams[0].flags, 0u);
}

TEST_F(StreamCore, infers_no_client_for_a_first_stream_that_nothing_was_received_for) {
  alice_asks();
  begin_session(kBobSession);
  begin_stream(kBobSession, kOtherSide);  // still alice's bytes
  attach(kOtherSide, kConnection);
  connect(kConnection, kUpstream);
  EXPECT_TRUE(told().empty());
}

TEST_F(StreamCore, infers_no_client_from_bytes_of_a_handshake) {
  begin_session(kAliceSession);
  receive_of_handshake(kBob);
  begin_stream(kAliceSession, kSide);  // alice's early data, which nothing was received for now
  attach(kSide, kConnection);
  connect(kConnection, kUpstream);
  EXPECT_TRUE(told().empty());
}

TEST_F(StreamCore, knows_nothing_of_a_session_that_it_did_not_see_begin) {
  receive(kAlice);
  begin_stream(kAliceSession, kSide);
  attach(kSide, kConnection);
  connect(kConnection, kUpstream);
  EXPECT_TRUE(told().empty());
}

TEST_F(StreamCore, gives_nothing_of_an_ended_session_to_one_at_the_same_address) {
  alice_asks();
  end_session(kAliceSession);
  begin_stream(kAliceSession, kOtherSide);  // one that the proxy made for itself
  attach(kOtherSide, kConnection);
  connect(kConnection, kUpstream);
  EXPECT_TRUE(told().empty());
}

TEST_F(StreamCore, gives_nothing_of_a_stream_to_a_health_check_at_the_same_address) {
  alice_asks();
  begin_check(kSide);
  attach(kSide, kConnection);
  connect(kConnection, kUpstream);
  EXPECT_TRUE(told().empty());
}

TEST_F(StreamCore, gives_nothing_of_a_stream_to_an_unknown_one_at_the_same_address) {
  alice_asks();
  begin_stream(kBobSession, kSide);
  attach(kSide, kConnection);
  connect(kConnection, kUpstream);
  EXPECT_TRUE(told().empty());
}

TEST_F(StreamCore, takes_a_tie_back_when_nobodys_stream_is_given_the_connection) {
  alice_asks();
  attach(kSide, kConnection);
  connect(kConnection, kUpstream);
  told();
  attach(kOtherSide, kConnection);  // a health check over an idle connection
  EXPECT_EQ(told_client(), 0u);
}

TEST_F(StreamCore, ties_nothing_to_a_socket_that_another_connection_connects) {
  alice_asks();
  attach(kSide, kConnection);
  connect(kOtherConnection, kOtherUpstream);
  EXPECT_TRUE(told().empty());
}

TEST_F(StreamCore, ties_nothing_to_a_socket_that_no_connection_of_the_proxy_connects) {
  alice_asks();
  attach(kSide, kConnection);
  start_connecting(kConnection);  // fails before its socket connects
  receive(kBob);
  name_connecting(kOtherUpstream);  // a library's own connection
  EXPECT_TRUE(told().empty());
}

TEST_F(StreamCore, names_the_socket_that_a_connections_address_stood_for_last) {
  alice_asks();
  attach(kSide, kConnection);
  connect(kConnection, kUpstream);
  attach(kSide, kConnection);  // a new one at the same address: tells of the old socket, on which nothing is sent
  connect(kConnection, kOtherUpstream);
  const auto streams = told();
  ASSERT_EQ(streams.size(), 3u);
  EXPECT_EQ(streams[1].cookie, kUpstream);
  EXPECT_EQ(streams[2].cookie, kOtherUpstream);
}

}  // namespace
}  // namespace mtlswatch::test
