// SPDX-License-Identifier: Apache-2.0
// Whose request nginx sends upstream, as the request itself tells: the test's memory holds what nginx's would.
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bpf/socket_pair.h"
#include "tests/bpf/stream_cores.h"

namespace mtlswatch::test {
namespace {

constexpr std::uint64_t kUpstream = 21, kOtherUpstream = 22;

// What src/core/ngx_connection.h, src/http/ngx_http_upstream.h and src/http/ngx_http_request.h begin with.
struct NginxConnection {
  void* data = nullptr;
  void* read = nullptr;
  void* write = nullptr;
  int fd = -1;
};

struct NginxUpstream {
  void* handlers[2] = {};
  std::uint64_t peer = 0;
};

struct NginxRequest {
  std::uint32_t signature = 0x50545448;
  NginxConnection* connection = nullptr;
  void* configurations[4] = {};
  void* handlers[2] = {};
  void* cache = nullptr;
  NginxUpstream* upstream = nullptr;
};

/// A client with a request under way.
struct Client {
  explicit Client(int fd) : connection{.fd = fd} {}
  std::uint64_t address() { return reinterpret_cast<std::uintptr_t>(&request); }
  std::uint64_t peer() { return reinterpret_cast<std::uintptr_t>(&upstream.peer); }
  NginxConnection connection;
  NginxUpstream upstream;
  NginxRequest request{.connection = &connection, .upstream = &upstream};
};

class RequestCore : public StreamCores {
 protected:
  RequestCore() : alice_(pair_.server), bob_(other_.server) {}

  void begin_forwarding(std::uint64_t request) { run(skeleton_->progs.run_begin_forwarding, request); }
  void forward_to(std::uint64_t peer) { run(skeleton_->progs.run_forward_to_peer, peer); }
  void send_on(std::uint64_t cookie) { run(skeleton_->progs.run_send_on, cookie); }
  void forward(Client& client) {
    begin_forwarding(client.address());
    forward_to(client.peer());
  }

  Listener listener_{Network::kTcp4};
  SocketPair pair_{listener_}, other_{listener_};
  const std::uint64_t alices_socket_ = cookie_of(pair_.server), bobs_socket_ = cookie_of(other_.server);
  Client alice_, bob_;
};

TEST_F(RequestCore, ties_the_socket_that_is_connected_for_it) {
  forward(alice_);
  name_connecting(kUpstream);
  const auto streams = told();
  ASSERT_EQ(streams.size(), 1u);
  EXPECT_EQ(streams[0].cookie, kUpstream);
  EXPECT_EQ(streams[0].ingress_cookie, alices_socket_);
  EXPECT_EQ(streams[0].flags, static_cast<std::uint32_t>(MTLSWATCH_STREAM_BY_SOCKET));
}

TEST_F(RequestCore, ties_an_open_connection_that_it_is_sent_on_once) {
  receive(bobs_socket_);  // read from last: that says nothing
  forward(alice_);
  send_on(kUpstream);
  send_on(kOtherUpstream);
  EXPECT_EQ(told_client(), alices_socket_);
}

TEST_F(RequestCore, knows_it_again_when_its_next_peer_is_tried) {
  forward(alice_);
  name_connecting(kUpstream);
  forward(bob_);
  name_connecting(kOtherUpstream);
  told();
  forward_to(alice_.peer());
  name_connecting(kUpstream);
  EXPECT_EQ(told_client(), alices_socket_);
}

TEST_F(RequestCore, lends_nothing_to_another_ones_peer_while_it_waits) {
  begin_forwarding(alice_.address());  // its upstream's name is looked up
  forward_to(bob_.peer());             // whose request began before the probes
  name_connecting(kUpstream);
  EXPECT_EQ(told_client(), 0u);
}

TEST_F(RequestCore, says_nothing_of_one_that_has_ended_meanwhile) {
  forward(alice_);
  send_on(kUpstream);
  told();
  alice_.request.signature = 0;
  forward_to(alice_.peer());
  send_on(kUpstream);
  EXPECT_EQ(told_client(), 0u);
}

TEST_F(RequestCore, says_nothing_of_a_peer_whose_memory_is_somebody_elses_now) {
  forward(alice_);
  send_on(kUpstream);
  told();
  alice_.request.upstream = &bob_.upstream;
  forward_to(alice_.peer());
  send_on(kUpstream);
  EXPECT_EQ(told_client(), 0u);
}

TEST_F(RequestCore, says_nothing_where_the_client_has_no_socket) {
  for (const int fd : {-1, 1'000'000, 0}) {
    alice_.connection.fd = fd;
    forward(alice_);
    send_on(kUpstream);
    EXPECT_EQ(told_client(), 0u) << fd;
  }
}

TEST_F(RequestCore, survives_any_address) {
  for (const std::uint64_t address : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{0xdead0000dead}, ~std::uint64_t{0}}) {
    begin_forwarding(address);
    forward_to(address);
    send_on(kUpstream);
    EXPECT_EQ(told_client(), 0u);
  }
}

TEST_F(RequestCore, is_sent_before_anything_is_received_or_not_now) {
  forward(alice_);
  receive(bobs_socket_);
  send_on(kUpstream);
  EXPECT_TRUE(told().empty());
}

}  // namespace
}  // namespace mtlswatch::test
