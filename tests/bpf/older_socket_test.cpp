// SPDX-License-Identifier: Apache-2.0
// Sockets that are older than their process's observation: marked by the iterator, or told as predating, never guessed.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <unistd.h>

#include <string>

#include "tests/bpf/live_kernel.h"

namespace mtlswatch::test {
namespace {

enum Note { kClient, kServer1 };

/// The records that an iterator wrote, as the ring would give them.
Records split(const std::vector<std::uint8_t>& bytes) {
  Records records;
  for (std::size_t at = 0; at + sizeof(mtlswatch_connection) <= bytes.size(); at += sizeof(mtlswatch_connection)) {
    records.emplace_back(std::span(bytes).subspan(at, sizeof(mtlswatch_connection)));
  }
  return records;
}

/// Two children's worth of time in one: a conversation before the observation and one after it.
class OlderSocket : public LiveKernel, public testing::WithParamInterface<Network> {
 protected:
  static void speak_twice(const Listener& listener, Notes& notes, int resume_fd) {
    const SocketPair pair(listener);
    notes[kClient] = cookie_of(pair.client);
    notes[kServer1] = cookie_of(pair.server);
    put(pair.client, "before");
    get(pair.server, 6);
    notes[2] = 1;
    char byte = 0;
    must(read(resume_fd, &byte, 1) == 1, "wait for the observation");
    put(pair.client, "after");
    get(pair.server, 5);
  }
  /// Lets the child reach its pause.
  static bool paused(const Child& child) {
    const volatile std::uint64_t& note = child.notes()[2];
    for (int attempts = 0; attempts < 5'000'000 && note == 0; ++attempts) sched_yield();
    return note != 0;
  }
};

TEST_P(OlderSocket, is_marked_with_its_role_by_the_iterator) {
  const Listener listener(GetParam());
  int resume[2] = {-1, -1};
  ASSERT_EQ(pipe(resume), 0);
  Child child([&](Notes& notes) { speak_twice(listener, notes, resume[0]); });
  child.start();
  ASSERT_TRUE(paused(child));
  observe(child, MTLSWATCH_OBSERVED_SERVER);
  ASSERT_TRUE(kernel().read_listeners());
  const auto read = kernel().read_older_connections();
  ASSERT_TRUE(read) << read.error().message;
  kernel().mark_scanned(static_cast<std::uint32_t>(child.pid()));
  const auto client = connection_of(split(*read), child.notes()[kClient]);
  const auto server = connection_of(split(*read), child.notes()[kServer1]);
  EXPECT_EQ(client.role, MTLSWATCH_ROLE_EGRESS);
  EXPECT_EQ(server.role, MTLSWATCH_ROLE_INGRESS);
  EXPECT_EQ(server.flags, MTLSWATCH_CONNECTION_PREDATES);
  EXPECT_EQ(server.header.pid, static_cast<std::uint32_t>(child.pid()));
  ASSERT_EQ(write(resume[1], "x", 1), 1);
  ASSERT_TRUE(child.finished());
  const Records records = records_of(child.pid());
  EXPECT_EQ(of_kind(records, MTLSWATCH_KIND_CONNECTION).size(), 0u) << "the iterator has told it";
  const Records io = io_of(records, child.notes()[kServer1]);
  ASSERT_EQ(io.size(), 1u);
  const bool relative = io[0].as<mtlswatch_io>().flags & MTLSWATCH_IO_RELATIVE;
  EXPECT_EQ(relative, GetParam() == Network::kUnixPath);
  for (const int fd : resume) close(fd);
}

TEST_P(OlderSocket, is_told_as_predating_when_it_speaks_before_the_iterator_runs) {
  const Listener listener(GetParam());
  int resume[2] = {-1, -1};
  ASSERT_EQ(pipe(resume), 0);
  Child child([&](Notes& notes) { speak_twice(listener, notes, resume[0]); });
  child.start();
  ASSERT_TRUE(paused(child));
  observe(child, MTLSWATCH_OBSERVED_BACKEND);
  ASSERT_EQ(write(resume[1], "x", 1), 1);
  ASSERT_TRUE(child.finished());
  const auto server = connection_of(records_of(child.pid()), child.notes()[kServer1]);
  EXPECT_EQ(server.flags, MTLSWATCH_CONNECTION_PREDATES);
  EXPECT_EQ(server.role, GetParam() == Network::kTcp4 ? MTLSWATCH_ROLE_UNKNOWN : MTLSWATCH_ROLE_INGRESS);
  for (const int fd : resume) close(fd);
}

INSTANTIATE_TEST_SUITE_P(Over, OlderSocket, testing::Values(Network::kTcp4, Network::kUnixPath));

/// Connects to the listener from a port of this host's choice.
int connect_from(std::uint16_t port, const Listener& listener) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int yes = 1;
  must(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0, "let the port be used again");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  must(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0, "bind");
  address.sin_port = htons(listener.port());
  must(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0, "connect");
  return fd;
}

TEST_F(OlderSocket, is_a_client_also_on_a_port_where_somebody_listened_once) {
  const Listener listener(Network::kTcp4);
  std::uint16_t port = 0;
  {
    const Listener earlier(Network::kTcp4);
    port = earlier.port();
    ASSERT_TRUE(kernel().read_listeners());
  }
  const int client = connect_from(port, listener);
  ASSERT_TRUE(kernel().observe(static_cast<std::uint32_t>(getpid()), MTLSWATCH_OBSERVED_SERVER));
  ASSERT_TRUE(kernel().read_listeners());
  const auto read = kernel().read_older_connections();
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(connection_of(split(*read), cookie_of(client)).role, MTLSWATCH_ROLE_EGRESS);
  close(client);
}

TEST_F(OlderSocket, is_found_as_a_listener) {
  const Listener listener(Network::kTcp4);
  const auto read = kernel().read_listeners();
  ASSERT_TRUE(read) << read.error().message;
  std::size_t found = 0;
  for (const Record& record : of_kind(split(*read), MTLSWATCH_KIND_LISTENER)) {
    const auto told = record.as<mtlswatch_connection>();
    if (told.cookie != cookie_of(listener.fd())) continue;
    ++found;
    EXPECT_EQ(told.local_port, listener.port());
    EXPECT_EQ(told.header.pid, static_cast<std::uint32_t>(getpid()));
  }
  EXPECT_EQ(found, 1u);
}

}  // namespace
}  // namespace mtlswatch::test
