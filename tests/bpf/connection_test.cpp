// SPDX-License-Identifier: Apache-2.0
// What is told of a socket, once, before its first io: whose it is, what it joins, which way it was made.
#include <arpa/inet.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "tests/bpf/live_kernel.h"

namespace mtlswatch::test {
namespace {

constexpr uid_t kUid = 4321;
constexpr const char* kComm = "mtlswatch-child";

enum Note { kClientCookie, kServerCookie, kClientPort };

/// Makes a connection with itself, sends "hello" through it and reads it.
void say_hello(const Listener& listener, Notes& notes) {
  prctl(PR_SET_NAME, kComm);
  must(setresuid(kUid, kUid, kUid) == 0, "setresuid");
  const SocketPair pair(listener);
  notes[kClientCookie] = cookie_of(pair.client);
  notes[kServerCookie] = cookie_of(pair.server);
  notes[kClientPort] = listener.path().empty() ? local_port_of(pair.client) : 0;
  put(pair.client, "hello");
  get(pair.server, 5);
}

std::string text_of(const mtlswatch_connection& connection, bool local) {
  char text[INET6_ADDRSTRLEN] = "";
  inet_ntop(connection.family, local ? connection.local_address : connection.remote_address, text, sizeof text);
  return text;
}

std::uint32_t own_netns() {
  struct stat status {};
  stat("/proc/self/ns/net", &status);
  return static_cast<std::uint32_t>(status.st_ino);
}

class Connection : public LiveKernel {
 protected:
  void expect_owner(const mtlswatch_connection& connection, const Child& child) {
    EXPECT_EQ(connection.header.pid, static_cast<std::uint32_t>(child.pid()));
    EXPECT_EQ(connection.header.tid, static_cast<std::uint32_t>(child.pid()));
    EXPECT_EQ(connection.uid, kUid);
    EXPECT_STREQ(connection.comm, kComm);
    EXPECT_EQ(connection.netns, own_netns());
    EXPECT_EQ(connection.flags, 0u);
    EXPECT_EQ(connection.reserved, 0u);
  }
};

struct TcpCase {
  Network network;
  int family;
  const char* address;
};

class TcpConnection : public Connection, public testing::WithParamInterface<TcpCase> {};

TEST_P(TcpConnection, is_told_from_both_ends) {
  const Listener listener(GetParam().network);
  Child child([&](Notes& notes) { say_hello(listener, notes); });
  const Records records = run_observed(child, kServer);
  const auto client = connection_of(records, child.notes()[kClientCookie]);
  const auto server = connection_of(records, child.notes()[kServerCookie]);
  EXPECT_EQ(client.role, MTLSWATCH_ROLE_EGRESS);
  EXPECT_EQ(server.role, MTLSWATCH_ROLE_INGRESS);
  EXPECT_EQ(client.local_port, child.notes()[kClientPort]);
  EXPECT_EQ(client.remote_port, listener.port());
  EXPECT_EQ(server.local_port, listener.port());
  EXPECT_EQ(server.remote_port, child.notes()[kClientPort]);
  for (const auto& end : {client, server}) {
    expect_owner(end, child);
    EXPECT_EQ(end.family, GetParam().family);
    EXPECT_EQ(text_of(end, true), GetParam().address);
    EXPECT_EQ(text_of(end, false), GetParam().address);
    EXPECT_EQ(end.socket, 0u);
    EXPECT_EQ(end.peer_pid, 0u);
    EXPECT_EQ(end.path_bytes, 0u);
  }
}

INSTANTIATE_TEST_SUITE_P(Over, TcpConnection,
                         testing::Values(TcpCase{Network::kTcp4, AF_INET, "127.0.0.1"},
                                         TcpCase{Network::kTcp6, AF_INET6, "::1"},
                                         TcpCase{Network::kTcpMapped, AF_INET6, "::ffff:127.0.0.1"}));

class UnixConnection : public Connection, public testing::WithParamInterface<Network> {};

TEST_P(UnixConnection, is_told_from_both_ends) {
  const Listener listener(GetParam());
  Child child([&](Notes& notes) { say_hello(listener, notes); });
  if (listener.path()[0] == '/') chmod(listener.path().c_str(), 0777);
  const Records records = run_observed(child, kServer);
  const auto client = connection_of(records, child.notes()[kClientCookie]);
  const auto server = connection_of(records, child.notes()[kServerCookie]);
  EXPECT_EQ(client.role, MTLSWATCH_ROLE_EGRESS);
  EXPECT_EQ(server.role, MTLSWATCH_ROLE_INGRESS);
  EXPECT_EQ(client.peer_pid, static_cast<std::uint32_t>(getpid())) << "who listened";
  EXPECT_EQ(server.peer_pid, static_cast<std::uint32_t>(child.pid())) << "who connected";
  EXPECT_NE(client.socket, 0u);
  EXPECT_NE(client.socket, server.socket);
  EXPECT_EQ(client.peer_socket, server.socket);
  EXPECT_EQ(server.peer_socket, client.socket);
  for (const auto& end : {client, server}) {
    expect_owner(end, child);
    EXPECT_EQ(end.family, AF_UNIX);
    EXPECT_EQ(std::string(end.path, listener.path().size()), listener.path());
    const std::size_t terminator = listener.path()[0] == '/' ? 1 : 0;
    EXPECT_EQ(end.path_bytes, listener.path().size() + terminator);
    EXPECT_EQ(end.remote_port, 0u);
  }
}

INSTANTIATE_TEST_SUITE_P(Over, UnixConnection, testing::Values(Network::kUnixPath, Network::kUnixAbstract));

TEST_F(Connection, comes_before_the_first_io_of_its_socket) {
  const Listener listener(Network::kTcp4);
  Child child([&](Notes& notes) { say_hello(listener, notes); });
  const Records records = run_observed(child, kServer);
  std::vector<std::uint64_t> told;
  for (const Record& record : records) {
    if (record.kind() == MTLSWATCH_KIND_CONNECTION) told.push_back(record.as<mtlswatch_connection>().cookie);
    if (record.kind() != MTLSWATCH_KIND_IO) continue;
    EXPECT_NE(std::find(told.begin(), told.end(), record.as<mtlswatch_io>().cookie), told.end());
  }
  EXPECT_EQ(told.size(), 2u);
}

TEST_F(Connection, is_not_told_of_an_unobserved_process) {
  const Listener tcp(Network::kTcp4);
  const Listener unix_path(Network::kUnixPath);
  Child child([&](Notes&) {
    for (const Listener* listener : {&tcp, &unix_path}) {
      const SocketPair pair(*listener);
      put(pair.client, "GET / HTTP/1.1\r\n\r\n");
      get(pair.server, 18);
      put(pair.server, "HTTP/1.1 200 OK\r\n\r\n");
      get(pair.client, 19);
      close(pair.client);
      close(pair.server);
    }
  });
  ASSERT_TRUE(child.run());
  EXPECT_EQ(observed(child.pid()), 0u);
  child.end();
  EXPECT_EQ(records_of(child.pid()).size(), 0u);
}

TEST_F(Connection, to_a_protected_port_makes_a_stranger_observed) {
  const Listener listener(Network::kTcp4);
  ASSERT_TRUE(kernel().protect_port(listener.port()));
  Child child([&](Notes& notes) { say_hello(listener, notes); });
  ASSERT_TRUE(child.run());
  EXPECT_EQ(observed(child.pid()), static_cast<std::uint32_t>(MTLSWATCH_OBSERVED_PEER));
  const auto client = connection_of(records_of(child.pid()), child.notes()[kClientCookie]);
  expect_owner(client, child);
  EXPECT_EQ(client.role, MTLSWATCH_ROLE_EGRESS);
  EXPECT_EQ(client.remote_port, listener.port());
}

TEST_F(Connection, of_the_agent_itself_is_never_told) {
  const Listener listener(Network::kTcp4);
  ASSERT_TRUE(kernel().protect_port(listener.port()));
  const SocketPair pair(listener);
  put(pair.client, "hello");
  get(pair.server, 5);
  EXPECT_EQ(observed(getpid()), 0u);
  const Records records = records_of(getpid());
  EXPECT_EQ(of_kind(records, MTLSWATCH_KIND_CONNECTION).size(), 0u);
  EXPECT_EQ(of_kind(records, MTLSWATCH_KIND_IO).size(), 0u);
}

TEST_F(Connection, has_no_role_and_no_io_when_it_is_a_socket_pair) {
  Child child([&](Notes&) {
    int ends[2] = {-1, -1};
    must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair");
    put(ends[0], "hello");
    get(ends[1], 5);
  });
  EXPECT_EQ(run_observed(child, kServer).size(), 0u);
}

TEST_F(Connection, of_an_accepted_socket_has_no_role_before_older_sockets_are_marked) {
  const Listener listener(Network::kTcp4);
  Child child([&](Notes& notes) { say_hello(listener, notes); });
  const Records records = run_observed(child, MTLSWATCH_OBSERVED_SERVER);
  EXPECT_EQ(connection_of(records, child.notes()[kServerCookie]).role, MTLSWATCH_ROLE_UNKNOWN);
  EXPECT_EQ(connection_of(records, child.notes()[kClientCookie]).role, MTLSWATCH_ROLE_EGRESS);
}

}  // namespace
}  // namespace mtlswatch::test
