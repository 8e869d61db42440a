// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/decode/decoder_fixture.h"
#include "userspace/decode/record_events.h"

namespace mtlswatch {
namespace {

TEST_F(DecoderTest, tells_a_tcp_connection) {
  decode(test::connection_record());
  const auto opened = all<ConnectionOpened>().at(0);
  EXPECT_EQ(opened.id, 1u);
  EXPECT_EQ(opened.role, Role::kIngress);
  EXPECT_EQ(opened.local.text(), "10.0.0.1:8443");
  EXPECT_EQ(opened.remote.text(), "10.0.0.2:40000");
  EXPECT_EQ(opened.process_name, "nginx");
  EXPECT_EQ(opened.actor.pid, 10u);
  EXPECT_FALSE(opened.is_unix);
}

TEST_F(DecoderTest, puts_a_unix_path_at_the_listeners_end) {
  decode(test::connection_record({.family = AF_UNIX, .path = "/run/a.sock"}));
  decode(test::connection_record(
      {.role = MTLSWATCH_ROLE_EGRESS, .family = AF_UNIX, .path = std::string_view("\0name", 5)}));
  const auto opened = all<ConnectionOpened>();
  EXPECT_EQ(opened.at(0).local.path, "/run/a.sock");
  EXPECT_EQ(opened.at(0).remote.path, "");
  EXPECT_EQ(opened.at(1).remote.path, "@name");
  EXPECT_EQ(opened.at(1).local.path, "");
}

TEST_F(DecoderTest, tells_whose_request_a_proxys_stream_carries) {
  mtlswatch_stream record{};
  record.header = test::header(1234);
  record.cookie = 21;
  record.ingress_cookie = 11;
  record.received_cookie = 12;
  record.received_position = 7;
  record.session_started_ns = 1000;
  record.flags = MTLSWATCH_STREAM_FIRST;
  decode(test::raw(record, MTLSWATCH_KIND_STREAM));
  const auto tied = all<StreamTied>().at(0);
  EXPECT_EQ(tied.time_ns, 1234u);
  EXPECT_EQ(tied.actor.pid, 10u);
  EXPECT_EQ(tied.id, 21u);
  EXPECT_EQ(tied.ingress, 11u);
  EXPECT_EQ(tied.received, 12u);
  EXPECT_EQ(tied.received_position, 7u);
  EXPECT_EQ(tied.session_started_ns, 1000u);
  EXPECT_TRUE(tied.first_of_session);
}

TEST_F(DecoderTest, reads_listeners_apart_from_events) {
  const auto record = test::connection_record({}, MTLSWATCH_KIND_LISTENER);
  decode(record);
  EXPECT_TRUE(events_.empty());
  const auto listener = decode_listener(record);
  ASSERT_TRUE(listener);
  EXPECT_EQ(listener->endpoint.text(), "10.0.0.1:8443");
  EXPECT_EQ(listener->pid, 10u);
  EXPECT_FALSE(decode_listener(test::connection_record()));
  EXPECT_EQ(decoder_.counters().records_malformed, 0u);
}

TEST_F(DecoderTest, tells_turns_ends_witnesses_and_lack_of_space) {
  decode(test::connection_record({.role = MTLSWATCH_ROLE_EGRESS}));
  decode(test::io_record({.position = 5,
                          .turn = 3,
                          .flags = MTLSWATCH_IO_TURN | MTLSWATCH_IO_SEND | MTLSWATCH_IO_BLOCKED,
                          .length = 9,
                          .witness = 77}));
  decode(test::io_record({.flags = MTLSWATCH_IO_END}));
  decode(test::io_record({.flags = MTLSWATCH_IO_SEND, .length = 9, .witness = 78}));
  decode(test::io_record({.flags = 0, .length = 9}));
  const auto turns = all<Turn>();
  ASSERT_EQ(turns.size(), 3u);
  EXPECT_TRUE(turns[0].is_send && turns[0].first_of_turn && turns[0].blocked);
  EXPECT_EQ(turns[0].position, 5u);
  EXPECT_EQ(turns[0].turn, 3u);
  EXPECT_EQ(turns[0].witness.id, 77u);
  EXPECT_TRUE(turns[1].end_of_stream && !turns[1].is_send);
  EXPECT_FALSE(turns[2].first_of_turn);
  EXPECT_EQ(turns[2].witness.id, 78u);
}

TEST_F(DecoderTest, does_not_take_a_backends_own_requests_for_its_clients) {
  decode(test::connection_record({.role = MTLSWATCH_ROLE_EGRESS}));
  decode(
      test::connection_record({.cookie = 2, .role = MTLSWATCH_ROLE_UNKNOWN, .flags = MTLSWATCH_CONNECTION_PREDATES}));
  for (const std::uint64_t cookie : {1, 2}) {
    decode(test::io_record({.cookie = cookie, .flags = kSend, .length = 40}));
    decode(test::io_record({.cookie = cookie, .flags = kReceive, .data = "HTTP/1.1 200 OK\r\n\r\n"}));
  }
  EXPECT_TRUE(all<RequestSeen>().empty());
  EXPECT_TRUE(all<ResponseSeen>().empty());
}

TEST_F(DecoderTest, tells_first_bytes_at_fronts_only_from_the_beginning) {
  decode(test::connection_record({.cookie = 1}));
  decode(test::connection_record({.cookie = 2, .flags = MTLSWATCH_CONNECTION_PREDATES}));
  decode(test::connection_record({.cookie = 3, .role = MTLSWATCH_ROLE_EGRESS}));
  for (const std::uint64_t cookie : {1, 2, 3}) decode(test::io_record({.cookie = cookie, .data = kHead}));
  ASSERT_EQ(all<ConnectionBegan>().size(), 1u);
  EXPECT_EQ(all<ConnectionBegan>()[0].id, 1u);
  EXPECT_EQ(all<ConnectionBegan>()[0].kind, FirstBytes::kHttp1);
}

TEST_F(DecoderTest, tells_handshake_facts_only_where_they_were_seen) {
  decode(test::handshake_record({.result = -1, .verify_code = 10, .flags = MTLSWATCH_HANDSHAKE_VERIFIED}));
  decode(test::handshake_record(
      {.reason = 134,
       .receive_result = -104,
       .flags = MTLSWATCH_HANDSHAKE_REASON | MTLSWATCH_HANDSHAKE_RECEIVED | MTLSWATCH_HANDSHAKE_CONFLICT}));
  const auto steps = all<HandshakeStep>();
  EXPECT_EQ(steps.at(0).verify_code, 10);
  EXPECT_FALSE(steps[0].reason || steps[0].receive_result || steps[0].conflict);
  EXPECT_EQ(steps[0].started_ns, 900u);
  EXPECT_EQ(steps.at(1).reason, 134);
  EXPECT_EQ(steps[1].receive_result, -104);
  EXPECT_FALSE(steps[1].verify_code);
  EXPECT_TRUE(steps[1].conflict);
}

TEST_F(DecoderTest, tells_process_changes_and_closes) {
  decode(test::process_record(MTLSWATCH_PROCESS_FORK, 20, 10));
  decode(test::close_record(9, 77));
  EXPECT_EQ(all<ProcessChange>().at(0).kind, ProcessChangeKind::kFork);
  EXPECT_EQ(all<ProcessChange>()[0].parent_pid, 10u);
  EXPECT_EQ(all<ConnectionClosed>().at(0).id, 9u);
  EXPECT_EQ(all<ConnectionClosed>()[0].time_ns, 77u);
}

TEST_F(DecoderTest, tells_a_loss_once_and_before_the_record_that_showed_it) {
  decode(test::io_record({.length = 1, .time_ns = 5}));
  decode(test::io_record({.length = 1, .time_ns = 9, .records_lost = 3}));
  decode(test::io_record({.length = 1, .time_ns = 12, .records_lost = 3}));
  ASSERT_EQ(all<RecordsLost>().size(), 1u);
  EXPECT_EQ(all<RecordsLost>()[0].from_ns, 5u);
  EXPECT_EQ(all<RecordsLost>()[0].to_ns, 9u);
  EXPECT_EQ(all<RecordsLost>()[0].count, 3u);
  EXPECT_TRUE(std::holds_alternative<RecordsLost>(events_.at(1)));
}

TEST_F(DecoderTest, counts_malformed_records_and_says_nothing_of_them) {
  auto io = test::io_record({.data = "abc"});
  auto claims_more = io;
  claims_more[offsetof(mtlswatch_io, captured_bytes)] = 65;
  auto unknown_kind = io;
  unknown_kind[0] = 99;
  auto too_long = io;
  too_long[offsetof(mtlswatch_header, size)] = 255;
  auto bad_role = test::connection_record({.role = 4});
  auto bad_family = test::connection_record({.family = 77});
  auto bad_path = test::connection_record();
  bad_path[offsetof(mtlswatch_connection, path_bytes)] = 109;
  auto bad_change = test::process_record(9);
  const test::RawRecord cut(io.begin(), io.begin() + 40);
  std::uint64_t expected = 0;
  for (const auto& record :
       {test::RawRecord{}, claims_more, unknown_kind, too_long, bad_role, bad_family, bad_path, bad_change, cut}) {
    decode(record);
    EXPECT_EQ(decoder_.counters().records_malformed, ++expected);
  }
  EXPECT_TRUE(events_.empty());
}

TEST_F(DecoderTest, forgets_the_connection_unused_for_longest_when_full) {
  for (const std::uint64_t cookie : {1, 2, 3, 4}) decode(test::connection_record({.cookie = cookie}));
  decode(test::io_record({.cookie = 1, .flags = kReceive, .length = 1}));
  decode(test::connection_record({.cookie = 5}));
  EXPECT_EQ(decoder_.counters().connections_evicted, 1u);
  decode(test::io_record({.cookie = 1, .flags = MTLSWATCH_IO_BACKEND, .data = "x"}));
  EXPECT_EQ(decoder_.counters().connections_unknown, 0u);
  decode(test::io_record({.cookie = 2, .flags = MTLSWATCH_IO_BACKEND, .data = "x"}));
  EXPECT_EQ(decoder_.counters().connections_unknown, 1u);
  decode(test::close_record(1));
  decode(test::connection_record({.cookie = 6}));
  EXPECT_EQ(decoder_.counters().connections_evicted, 2u);
}

TEST_F(DecoderTest, reads_requests_of_an_unannounced_connection_from_its_next_turn) {
  decode(test::io_record({.cookie = 8, .flags = MTLSWATCH_IO_BACKEND, .data = "tail of a body"}));
  decode(test::io_record({.cookie = 8, .position = 14, .turn = 4, .flags = kReceive, .data = kHead}));
  EXPECT_EQ(all<RequestSeen>().size(), 1u);
}

}  // namespace
}  // namespace mtlswatch
