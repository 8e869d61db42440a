// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/builders/scene.h"

namespace mtlswatch {
namespace {

ConnectionOpened opened(ConnectionId id, Role role, const Endpoint& local, const Endpoint& remote, std::uint64_t time_ns) {
  ConnectionOpened event;
  event.id = id;
  event.role = role;
  event.local = local;
  event.remote = remote;
  event.time_ns = time_ns;
  return event;
}

UpstreamTurn sent_at(std::uint64_t position) {
  UpstreamTurn turn;
  turn.turn = 1;
  turn.position = position;
  return turn;
}

TEST(Pairing, tcp_ends_find_each_other_by_both_addresses) {
  Connections table(16);
  table.open(opened(1, Role::kEgress, tcp("127.0.0.1", 5000), tcp("127.0.0.1", 8000), 1));
  const Connection& accepted = table.open(opened(2, Role::kIngress, tcp("127.0.0.1", 8000), tcp("127.0.0.1", 5000), 2));
  ASSERT_NE(table.other_end(accepted, 0), nullptr);
  EXPECT_EQ(table.other_end(accepted, 0)->opened.id, 1u);
  EXPECT_EQ(table.accepted_end(*table.find(1))->opened.id, 2u);
}

TEST(Pairing, one_loopback_port_in_two_network_namespaces_is_two_places) {
  Connections table(16);
  ConnectionOpened other = opened(1, Role::kEgress, tcp("127.0.0.1", 5000), tcp("127.0.0.1", 8000), 1);
  other.netns = 7;
  table.open(other);
  const Connection& accepted = table.open(opened(2, Role::kIngress, tcp("127.0.0.1", 8000), tcp("127.0.0.1", 5000), 2));
  EXPECT_EQ(table.other_end(accepted, 0), nullptr);
}

TEST(Pairing, destination_nat_is_seen_through_only_by_the_stream_position) {
  Connections table(16);
  Connection& dialled = table.open(opened(1, Role::kEgress, tcp("10.0.0.1", 5000), tcp("10.96.0.1", 80), 1));
  dialled.turns.push_back(sent_at(7000));
  const Connection& accepted = table.open(opened(2, Role::kIngress, tcp("10.0.0.9", 8000), tcp("10.0.0.1", 5000), 2));
  EXPECT_NE(table.other_end(accepted, 7000), nullptr);
  EXPECT_EQ(table.other_end(accepted, 7001), nullptr);
}

TEST(Pairing, two_connections_that_fit_behind_destination_nat_are_none) {
  Connections table(16);
  for (const ConnectionId id : {1, 2}) {
    table.open(opened(id, Role::kEgress, tcp("10.0.0.1", 5000), tcp(id == 1 ? "10.96.0.1" : "10.96.0.2", 80), 1)).turns.push_back(sent_at(7000));
  }
  const Connection& accepted = table.open(opened(3, Role::kIngress, tcp("10.0.0.9", 8000), tcp("10.0.0.1", 5000), 2));
  EXPECT_EQ(table.other_end(accepted, 7000), nullptr);
}

TEST(Pairing, source_nat_is_suspected_where_the_streams_begin_alike) {
  Connections table(16);
  Connection& dialled = table.open(opened(1, Role::kEgress, tcp("10.0.0.1", 5000), tcp("10.96.0.1", 80), 1));
  table.note_first_sent(dialled, 7000);
  Connection& accepted = table.open(opened(2, Role::kIngress, tcp("10.0.0.9", 8000), tcp("192.0.2.1", 6000), 2));
  EXPECT_FALSE(table.may_be_translated(accepted));
  accepted.first_received_position = 7001;
  EXPECT_FALSE(table.may_be_translated(accepted));
  accepted.first_received_position = 7000;
  EXPECT_TRUE(table.may_be_translated(accepted));
  EXPECT_EQ(table.other_end(accepted, 7000), nullptr);
  table.close(dialled, 1);
  EXPECT_FALSE(table.may_be_translated(accepted));
}

TEST(Pairing, source_nat_is_still_suspected_when_another_connection_that_began_alike_is_forgotten) {
  Connections table(16);
  for (const ConnectionId id : {1, 2}) {
    table.note_first_sent(table.open(opened(id, Role::kEgress, tcp("10.0.0.1", id == 1 ? 5000 : 5001), tcp("10.96.0.1", 80), 1)), 7000);
  }
  Connection& accepted = table.open(opened(3, Role::kIngress, tcp("10.0.0.9", 8000), tcp("192.0.2.1", 6000), 2));
  accepted.first_received_position = 7000;
  table.close(*table.find(2), 3);
  EXPECT_TRUE(table.may_be_translated(accepted));
  table.sweep(Connections::kLingerNs + 4);
  EXPECT_TRUE(table.may_be_translated(accepted));
}

TEST(Pairing, a_closed_connection_does_not_lend_its_port_to_the_next) {
  Connections table(16);
  Connection& old = table.open(opened(1, Role::kEgress, tcp("127.0.0.1", 5000), tcp("127.0.0.1", 8000), 1));
  table.close(old, 50);
  const Connection& accepted = table.open(opened(3, Role::kIngress, tcp("127.0.0.1", 8000), tcp("127.0.0.1", 5000), 60));
  EXPECT_EQ(table.other_end(accepted, 0), nullptr);
}

TEST(Pairing, unix_ends_must_name_each_other) {
  Connections table(16);
  const Endpoint path{{}, 0, "/run/app.sock"};
  ConnectionOpened client = opened(1, Role::kEgress, {}, path, 1);
  client.is_unix = true;
  client.socket = 11;
  client.peer_socket = 12;
  table.open(client);
  ConnectionOpened server = opened(2, Role::kIngress, path, {}, 2);
  server.is_unix = true;
  server.socket = 12;
  server.peer_socket = 11;
  EXPECT_NE(table.other_end(table.open(server), 0), nullptr);
  server.id = 3;
  server.peer_socket = 99;
  EXPECT_EQ(table.other_end(table.open(server), 0), nullptr);
}

TEST(Pairing, a_pair_whose_memory_was_used_again_the_other_way_round_is_no_pair) {
  Connections table(16);
  const Endpoint path{{}, 0, "/run/app.sock"};
  ConnectionOpened first = opened(1, Role::kIngress, path, {}, 1);
  first.is_unix = true;
  first.socket = 11;
  first.peer_socket = 12;
  table.open(first);
  ConnectionOpened second = opened(2, Role::kIngress, path, {}, 50);
  second.is_unix = true;
  second.socket = 12;
  second.peer_socket = 11;
  EXPECT_EQ(table.other_end(table.open(second), 0), nullptr) << "an accepted end is never the other end of one";
}

TEST(Pairing, a_new_pair_retires_the_older_one_of_the_same_memory) {
  Connections table(16);
  const Endpoint path{{}, 0, "/run/app.sock"};
  ConnectionOpened client = opened(1, Role::kEgress, {}, path, 1), server = opened(2, Role::kIngress, path, {}, 2);
  client.is_unix = server.is_unix = true;
  client.socket = server.peer_socket = 11;
  client.peer_socket = server.socket = 12;
  table.open(client);
  table.open(server);
  ConnectionOpened later = server;
  later.id = 4;
  later.time_ns = 90;
  EXPECT_EQ(table.other_end(table.open(later), 0), nullptr) << "its own connected end is not known yet";
  client.id = 3;
  client.time_ns = 91;
  table.open(client);
  ASSERT_NE(table.other_end(*table.find(4), 0), nullptr);
  EXPECT_EQ(table.other_end(*table.find(4), 0)->opened.id, 3u);
}

TEST(Pairing, closed_connections_are_forgotten_and_the_table_stays_within_its_capacity) {
  Connections table(8);
  for (ConnectionId id = 1; id <= 40; ++id) {
    const auto port = static_cast<std::uint16_t>(5000 + id);
    Connection& connection = table.open(opened(id, Role::kIngress, tcp("10.0.0.1", 443), tcp("203.0.113.9", port), id));
    if (id <= 20) table.close(connection, id);
  }
  table.sweep(Connections::kLingerNs + 100);
  EXPECT_LE(table.size(), 8u);
  EXPECT_EQ(table.find(1), nullptr);
  EXPECT_GT(table.evicted(), 0u);
  table.for_each([&](Connection& connection) { table.close(connection, 200); });
  table.sweep(2 * Connections::kLingerNs + 100);
  EXPECT_EQ(table.size(), 0u);
  EXPECT_TRUE(table.ingress_of(0).empty());
}

}  // namespace
}  // namespace mtlswatch
