// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/app/local_socket.h"
#include "userspace/app/host.h"
#include "userspace/app/http_json.h"

namespace mtlswatch {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

struct Served {
  std::unique_ptr<HttpServer> server;
  std::uint16_t port() const { return server->listens_on().port; }

  explicit Served(HttpServer::Answer answer) {
    Endpoint any_port = *parse_endpoint("127.0.0.1:1");
    any_port.port = 0;
    auto started = HttpServer::start(any_port, std::move(answer));
    if (started) server = std::move(*started);
  }
};

TEST(HttpServer, answers_one_request_a_connection) {
  const Served served([](const std::string& path) { return HttpAnswer{200, "text/plain", "you asked for " + path}; });
  ASSERT_TRUE(served.server);
  const std::string answer = exchange(served.port(), "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(answer, HasSubstr("Connection: close"));
  EXPECT_THAT(answer, HasSubstr("you asked for /x"));
}

TEST(HttpServer, refuses_to_be_written_to) {
  const Served served([](const std::string&) { return HttpAnswer{}; });
  ASSERT_TRUE(served.server);
  EXPECT_THAT(exchange(served.port(), "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"),
              StartsWith("HTTP/1.1 405"));
}

TEST(HttpServer, ends_connections_that_take_too_long) {
  const Served served([](const std::string&) { return HttpAnswer{}; });
  ASSERT_TRUE(served.server);
  const UniqueFd slow = connect_loopback(served.port());
  ASSERT_TRUE(slow);
  ASSERT_EQ(::send(slow.get(), "GET ", 4, MSG_NOSIGNAL), 4);
  EXPECT_THAT(exchange(served.port(), "GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
              StartsWith("HTTP/1.1 200"));  // accepted after the slow one
  served.server->expire(boottime_ns() + HttpServer::kLifeNs + 1);
  read_all(slow.get());  // returns: the server has closed
}

TEST(HttpServer, says_that_its_address_is_taken) {
  const Served served([](const std::string&) { return HttpAnswer{}; });
  ASSERT_TRUE(served.server);
  const auto second = HttpServer::start(served.server->listens_on(), [](const std::string&) { return HttpAnswer{}; });
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message, HasSubstr("Address already in use"));
}

TEST(HttpPages, are_not_ready_before_anything_was_published) {
  const PublishedStatus published;
  EXPECT_EQ(answer_http("/readyz", published, 5).status, 503);
  EXPECT_EQ(answer_http("/healthz", published, 5).status, 503);
  EXPECT_EQ(answer_http("/other", published, 5).status, 404);
}

TEST(HttpPages, name_what_fails) {
  PublishedStatus published;
  AgentStatus status;
  status.now_ns = 1;
  status.checks = {{"fronts", false, false, "TLS of nginx is blind"}};
  published.publish(status);
  EXPECT_EQ(answer_http("/readyz", published, 5).status, 200);
  EXPECT_THAT(answer_http("/readyz", published, 5).body, HasSubstr("\"reason\":\"TLS of nginx is blind\""));
  status.checks.push_back({"backends", false, true, "no process found for: shop"});
  published.publish(status);
  EXPECT_EQ(answer_http("/readyz", published, 5).status, 503);
}

TEST(HttpPages, notice_a_stuck_event_loop) {
  PublishedStatus published;
  published.note_turn(1'000);
  EXPECT_EQ(answer_http("/healthz", published, 1'000 + kStuckNs - 1).status, 200);
  EXPECT_EQ(answer_http("/healthz", published, 1'000 + kStuckNs).status, 503);
}

}  // namespace
}  // namespace mtlswatch
