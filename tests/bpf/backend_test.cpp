// SPDX-License-Identifier: Apache-2.0
// How much of a message is copied out: request heads and status lines at a backend, first bytes elsewhere, else
// nothing.
#include <string>

#include "tests/bpf/live_kernel.h"

namespace mtlswatch::test {
namespace {

constexpr std::size_t kPrefix = MTLSWATCH_BACKEND_PREFIX_BYTES;
constexpr const char* kResponse = "HTTP/1.1 200 OK\r\nSet-Cookie: secret\r\n\r\n";

enum Note { kClient, kServer1 };

/// The client's text to the server in one send and receives of so many bytes.
void pass(const SocketPair& pair, const std::string& text, std::size_t step) {
  put(pair.client, text);
  for (std::size_t at = 0; at < text.size(); at += step) get(pair.server, std::min(step, text.size() - at));
}

void answer(const SocketPair& pair, const std::string& text) {
  put(pair.server, text);
  get(pair.client, text.size());
}

class Prefix : public LiveKernel {
 protected:
  /// Runs the body in a child on one new connection; its server's io records.
  Records io_at_server(std::uint32_t flags, const std::function<void(const SocketPair&)>& body,
                       Network network = Network::kTcp4) {
    const Listener listener(network);
    Child child([&](Notes& notes) {
      const SocketPair pair(listener);
      notes[kClient] = cookie_of(pair.client);
      notes[kServer1] = cookie_of(pair.server);
      body(pair);
    });
    const Records records = run_observed(child, flags);
    at_client_ = io_of(records, child.notes()[kClient]);
    client_is_told_ = !of_kind(records, MTLSWATCH_KIND_CONNECTION).empty();
    return io_of(records, child.notes()[kServer1]);
  }
  Records at_client_;
  bool client_is_told_ = false;
};

struct Steps {
  std::size_t step;
  std::vector<std::uint32_t> captured;
};

class PrefixInSteps : public Prefix, public testing::WithParamInterface<Steps> {};

TEST_P(PrefixInSteps, of_a_request_is_8_kib_however_it_is_read) {
  const std::string text = numbered(20000);
  const Records io = io_at_server(kBackend, [&](const SocketPair& pair) { pass(pair, text, GetParam().step); });
  std::vector<std::uint32_t> captured;
  auto position = io.empty() ? 0u : static_cast<std::uint32_t>(io[0].as<mtlswatch_io>().position);
  for (const mtlswatch_io& part : fields_of(io)) {
    captured.push_back(part.captured_bytes);
    EXPECT_EQ(static_cast<std::uint32_t>(part.position), position);
    EXPECT_TRUE(part.flags & MTLSWATCH_IO_BACKEND);
    EXPECT_EQ((part.flags & MTLSWATCH_IO_TURN) != 0, captured.size() == 1);
    EXPECT_FALSE(part.flags & MTLSWATCH_IO_CUT);
    position += part.captured_bytes;
  }
  EXPECT_EQ(captured, GetParam().captured);
  EXPECT_TRUE(captured_of(io) == text.substr(0, kPrefix));
}

INSTANTIATE_TEST_SUITE_P(Of, PrefixInSteps,
                         testing::Values(Steps{20000, {2048, 2048, 2048, 2048}}, Steps{8192, {2048, 2048, 2048, 2048}},
                                         Steps{5000, {2048, 2048, 904, 2048, 1144}},
                                         Steps{3000, {2048, 952, 2048, 952, 2048, 144}}),
                         [](const auto& each) { return std::to_string(each.param.step); });

TEST_F(Prefix, begins_anew_with_the_next_request) {
  const Records io = io_at_server(kBackend, [&](const SocketPair& pair) {
    pass(pair, numbered(10000), 10000);
    answer(pair, kResponse);
    pass(pair, numbered(10000), 10000);
  });
  EXPECT_TRUE(captured_of(io) == numbered(kPrefix) + "HTTP/1.1 200 OK\r" + numbered(kPrefix));
}

TEST_F(Prefix, of_a_response_is_16_bytes_of_each_send_that_begins_as_one) {
  const Records io = io_at_server(kBackend, [&](const SocketPair& pair) {
    pass(pair, "GET", 3);
    answer(pair, kResponse);
    answer(pair, "body");
    answer(pair, "HTTP/1.1 404 Not Found\r\n\r\n");
    answer(pair, "HTTP/1.1");
  });
  ASSERT_EQ(io.size(), 4u);
  EXPECT_EQ(io[1].captured(), "HTTP/1.1 200 OK\r");
  EXPECT_EQ(io[2].captured(), "HTTP/1.1 404 Not");
  EXPECT_EQ(io[3].captured(), "HTTP/1.1");
  EXPECT_TRUE(io[1].as<mtlswatch_io>().flags & MTLSWATCH_IO_TURN);
  EXPECT_FALSE(io[2].as<mtlswatch_io>().flags & MTLSWATCH_IO_TURN);
  EXPECT_EQ(io[1].as<mtlswatch_io>().length, std::string(kResponse).size());
}

TEST_F(Prefix, of_a_response_comes_with_how_far_requests_were_received) {
  for (const Network network : {Network::kTcp4, Network::kUnixPath}) {
    const Records io = io_at_server(kBackend, [&](const SocketPair& pair) {
      pass(pair, numbered(20000), 5000);
      answer(pair, kResponse);
      pass(pair, "GET", 3);
      answer(pair, kResponse);
    }, network);
    const auto first = io.front().as<mtlswatch_io>(), last = io.back().as<mtlswatch_io>();
    EXPECT_EQ(last.received - static_cast<std::uint32_t>(first.position), 20003u);
    EXPECT_EQ(first.received, 0u);
  }
}

TEST_F(Prefix, is_empty_where_a_response_does_not_begin_as_one) {
  const Records io = io_at_server(kBackend, [&](const SocketPair& pair) {
    pass(pair, "GET", 3);
    answer(pair, "secret and no status line");
  });
  ASSERT_EQ(io.size(), 2u);
  EXPECT_EQ(io[1].captured(), "");
}

TEST_F(Prefix, is_not_taken_of_what_a_backend_sends_to_others) {
  io_at_server(kBackend, [&](const SocketPair& pair) {
    pass(pair, "select secret", 13);
    answer(pair, "HTTP/1.1 200 OK\r\n\r\n");
  });
  EXPECT_TRUE(client_is_told_);
  EXPECT_EQ(at_client_.size(), 0u);
}

TEST_F(Prefix, at_a_server_is_that_of_the_connection_and_not_of_its_responses) {
  const Records io = io_at_server(kServer, [&](const SocketPair& pair) {
    pass(pair, numbered(5000), 5000);
    answer(pair, kResponse);
    pass(pair, numbered(5000), 5000);
  });
  EXPECT_TRUE(captured_of(io) == numbered(MTLSWATCH_FIRST_BYTES));
  EXPECT_EQ(io.size(), 4u);
  EXPECT_EQ(captured_of(at_client_), "") << "a relay's own requests and their responses are not read";
}

/// A handshake record with this random at its place.
std::string hello_record(std::size_t body_bytes, const std::string& random = std::string(8, 'r')) {
  const std::string size = {static_cast<char>(body_bytes >> 8), static_cast<char>(body_bytes)};
  const std::string body = "mess" + std::string("\x03\x03") + random + numbered(body_bytes);
  return std::string("\x16\x03\x03") + size + body.substr(0, body_bytes);
}

TEST_F(Prefix, at_a_tls_server_is_its_client_hello_and_the_record_of_its_answer) {
  const std::string hello = hello_record(3000), answered = hello_record(1200);
  const Records io = io_at_server(kServer, [&](const SocketPair& pair) {
    pass(pair, hello, hello.size());
    answer(pair, answered + "secret");
    answer(pair, hello_record(100));
  });
  EXPECT_TRUE(captured_of(io) == hello + answered);
}

TEST_F(Prefix, at_a_tls_server_that_asks_to_retry_holds_its_second_answer) {
  const std::string hello = hello_record(200), answered = hello_record(300), change = "\x14\x03\x03" + std::string(16, 'c');
  const std::string retry = hello_record(90, "\xCF\x21\xAD\x74\xE5\x9A\x61\x11");
  const Records io = io_at_server(kServer, [&](const SocketPair& pair) {
    pass(pair, hello, hello.size());
    answer(pair, retry + change);
    pass(pair, hello, hello.size());
    answer(pair, change);
    answer(pair, answered + "secret");
    answer(pair, hello_record(100));
  });
  EXPECT_TRUE(captured_of(io) == hello + retry + answered) << "the second ClientHello says nothing new";
}

TEST_F(Prefix, is_found_at_a_unix_socket_as_well) {
  const std::string text = numbered(10000);
  const auto body = [&](const SocketPair& pair) { pass(pair, text, 3000); };
  EXPECT_TRUE(captured_of(io_at_server(kBackend, body, Network::kUnixPath)) == text.substr(0, kPrefix));
}

}  // namespace
}  // namespace mtlswatch::test
