// SPDX-License-Identifier: Apache-2.0
// Every system call that receives or sends a message gives its bytes; a peek moves none.
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <string>

#include "tests/bpf/live_kernel.h"

namespace mtlswatch::test {
namespace {

constexpr std::size_t kBytes = 100;

using Call = ssize_t (*)(int fd, char* buffer);

ssize_t by_read(int fd, char* buffer) { return read(fd, buffer, kBytes); }
ssize_t by_recv(int fd, char* buffer) { return recv(fd, buffer, kBytes, 0); }
ssize_t by_recvfrom(int fd, char* buffer) {
  sockaddr_storage from{};
  socklen_t size = sizeof from;
  return recvfrom(fd, buffer, kBytes, 0, reinterpret_cast<sockaddr*>(&from), &size);
}
ssize_t by_readv(int fd, char* buffer) {
  const iovec vector{buffer, kBytes};
  return readv(fd, &vector, 1);
}
ssize_t by_recvmsg(int fd, char* buffer) {
  iovec vector{buffer, kBytes};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  return recvmsg(fd, &message, 0);
}

ssize_t by_write(int fd, char* buffer) { return write(fd, buffer, kBytes); }
ssize_t by_send(int fd, char* buffer) { return send(fd, buffer, kBytes, 0); }
ssize_t by_writev(int fd, char* buffer) {
  const iovec vector{buffer, kBytes};
  return writev(fd, &vector, 1);
}
ssize_t by_sendmsg(int fd, char* buffer) {
  iovec vector{buffer, kBytes};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  return sendmsg(fd, &message, 0);
}

struct NamedCall {
  const char* name;
  Call call;
};

class CallTest : public LiveKernel {
 protected:
  /// Sends the text to a backend in one call and lets it do what the body says.
  Records io_at_backend(const std::string& text, const std::function<void(const SocketPair&)>& body) {
    const Listener listener(Network::kTcp4);
    Child child([&](Notes& notes) {
      const SocketPair pair(listener);
      notes[0] = cookie_of(pair.server);
      put(pair.client, text);
      body(pair);
    });
    const Records records = run_observed(child, kBackend);
    return io_of(records, child.notes()[0]);
  }
};

class ReceiveCall : public CallTest, public testing::WithParamInterface<NamedCall> {};

TEST_P(ReceiveCall, gives_what_it_received) {
  const Records io = io_at_backend(numbered(kBytes), [&](const SocketPair& pair) {
    char buffer[kBytes];
    must(GetParam().call(pair.server, buffer) == kBytes, GetParam().name);
  });
  ASSERT_EQ(io.size(), 1u);
  EXPECT_EQ(io[0].captured(), numbered(kBytes));
  EXPECT_FALSE(io[0].as<mtlswatch_io>().flags & MTLSWATCH_IO_CUT);
}

INSTANTIATE_TEST_SUITE_P(By, ReceiveCall,
                         testing::Values(NamedCall{"read", by_read}, NamedCall{"recv", by_recv},
                                         NamedCall{"recvfrom", by_recvfrom}, NamedCall{"readv", by_readv},
                                         NamedCall{"recvmsg", by_recvmsg}),
                         [](const auto& each) { return each.param.name; });

class SendCall : public CallTest, public testing::WithParamInterface<NamedCall> {};

TEST_P(SendCall, gives_the_status_line_that_it_sent) {
  const Records io = io_at_backend("GET", [&](const SocketPair& pair) {
    std::string response = "HTTP/1.1 200 OK\r\n\r\n";
    response.resize(kBytes, 'x');
    get(pair.server, 3);
    must(GetParam().call(pair.server, response.data()) == kBytes, GetParam().name);
  });
  ASSERT_EQ(io.size(), 2u);
  EXPECT_EQ(io[1].captured(), "HTTP/1.1 200 OK\r");
  EXPECT_EQ(io[1].as<mtlswatch_io>().length, kBytes);
}

INSTANTIATE_TEST_SUITE_P(By, SendCall,
                         testing::Values(NamedCall{"write", by_write}, NamedCall{"send", by_send},
                                         NamedCall{"writev", by_writev}, NamedCall{"sendmsg", by_sendmsg}),
                         [](const auto& each) { return each.param.name; });

TEST_F(CallTest, into_two_vectors_gives_the_first_and_says_cut) {
  const Records io = io_at_backend(numbered(kBytes), [&](const SocketPair& pair) {
    char buffer[kBytes];
    const iovec vectors[] = {{buffer, 30}, {buffer + 30, 70}};
    must(readv(pair.server, vectors, 2) == kBytes, "readv");
  });
  ASSERT_EQ(io.size(), 1u);
  EXPECT_EQ(io[0].captured(), numbered(kBytes).substr(0, 30));
  EXPECT_EQ(io[0].as<mtlswatch_io>().length, kBytes);
  EXPECT_TRUE(io[0].as<mtlswatch_io>().flags & MTLSWATCH_IO_CUT);
}

TEST_F(CallTest, of_another_form_gives_nothing_and_says_cut) {
  const Records io = io_at_backend(numbered(kBytes), [&](const SocketPair& pair) {
    char buffer[kBytes];
    iovec vector{buffer, kBytes};
    mmsghdr message{};
    message.msg_hdr.msg_iov = &vector;
    message.msg_hdr.msg_iovlen = 1;
    must(recvmmsg(pair.server, &message, 1, 0, nullptr) == 1, "recvmmsg");
  });
  ASSERT_EQ(io.size(), 1u);
  EXPECT_EQ(io[0].captured(), "");
  EXPECT_EQ(io[0].as<mtlswatch_io>().length, kBytes);
  EXPECT_TRUE(io[0].as<mtlswatch_io>().flags & MTLSWATCH_IO_CUT);
}

TEST_F(CallTest, that_peeks_is_not_told) {
  const Records io = io_at_backend(numbered(kBytes), [&](const SocketPair& pair) {
    char buffer[kBytes];
    must(recv(pair.server, buffer, kBytes, MSG_PEEK) == kBytes, "peek");
    must(recv(pair.server, buffer, 10, MSG_PEEK) == 10, "peek");
    get(pair.server, 60);
    must(recv(pair.server, buffer, kBytes, MSG_PEEK) == 40, "peek");
    get(pair.server, 40);
  });
  ASSERT_EQ(io.size(), 2u);
  EXPECT_EQ(captured_of(io), numbered(kBytes));
}

TEST_F(CallTest, that_fails_is_not_told) {
  const Records io = io_at_backend("", [&](const SocketPair& pair) {
    char byte = 0;
    must(recv(pair.server, &byte, 1, MSG_DONTWAIT) == -1, "recv of nothing");
  });
  EXPECT_EQ(io.size(), 0u);
}

}  // namespace
}  // namespace mtlswatch::test
