// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/admin_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/unit/app/config_directory.h"
#include "tests/unit/app/local_socket.h"
#include "tests/unit/sink/reports.h"
#include "userspace/app/admin_socket.h"

namespace mtlswatch {
namespace {

using testing::HasSubstr;

/// A server whose answers are chosen by the question; served by hand.
class Admin : public testing::Test {
 protected:
  Admin() {
    auto opened = AdminServer::open(path_, [](const std::string& line) {
      if (line == "long") return AdminAnswer{std::string(8u << 20, 'x') + "\n", std::nullopt};
      if (line == "follow") return AdminAnswer{"", *EventFilter::parse("verdict=bypass")};
      return AdminAnswer{"heard " + line + "\n", std::nullopt};
    });
    EXPECT_TRUE(opened) << opened.error().message;
    server_.emplace(std::move(*opened));
  }

  UniqueFd connect() {
    auto fd = connect_admin(path_);
    EXPECT_TRUE(fd);
    server_->serve(now_ns_);
    return std::move(*fd);
  }
  void say(const UniqueFd& fd, const std::string& text) {
    EXPECT_EQ(::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
    server_->serve(now_ns_);
  }
  static std::string received(const UniqueFd& fd) {
    char buffer[4096];
    const ssize_t count = ::recv(fd.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    return count > 0 ? std::string(buffer, static_cast<std::size_t>(count)) : count == 0 ? "closed" : "";
  }
  void publish(const Report& report) {
    server_->publish(report, [&] {
      ++lines_made_;
      return std::string(10'000, 'e');
    });
    server_->serve(now_ns_);
  }

  ConfigDirectory directory_;
  std::string path_ = directory_.file("run/admin.sock");
  std::optional<AdminServer> server_;
  std::uint64_t now_ns_ = kSecond;
  int lines_made_ = 0;
};

TEST_F(Admin, answers_a_line_and_closes) {
  const UniqueFd client = connect();
  say(client, "sta");
  EXPECT_EQ(received(client), "");
  say(client, "tus\n");
  EXPECT_EQ(read_all(client.get()), "heard status\n");
}

TEST_F(Admin, is_for_its_owner_alone_by_file_mode) {
  struct stat facts {};
  ASSERT_EQ(::stat(path_.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600u);
}

TEST_F(Admin, finishes_a_long_answer_as_the_reader_takes_it) {
  const UniqueFd client = connect();
  say(client, "long\n");
  std::string all;
  for (int i = 0; i < 100'000 && all.size() < (8u << 20) + 1; ++i) {
    all += received(client);
    server_->serve(now_ns_);
  }
  EXPECT_EQ(all.size(), (8u << 20) + 1);
}

TEST_F(Admin, refuses_a_line_that_does_not_end) {
  const UniqueFd client = connect();
  say(client, std::string(4096, 'x'));
  say(client, std::string(4096, 'x'));
  say(client, std::string(4096, 'x'));
  EXPECT_THAT(read_all(client.get()), HasSubstr("too long"));
}

TEST_F(Admin, closes_those_who_do_not_ask_in_time) {
  const UniqueFd client = connect();
  server_->expire(now_ns_ + AdminServer::kPatienceNs);
  EXPECT_EQ(received(client), "");
  server_->expire(now_ns_ + AdminServer::kPatienceNs + 1);
  EXPECT_EQ(received(client), "closed");
}

TEST_F(Admin, turns_clients_away_when_it_has_enough) {
  std::vector<UniqueFd> clients;
  for (std::size_t i = 0; i < AdminServer::kClients; ++i) clients.push_back(connect());
  EXPECT_EQ(received(connect()), "closed");
  clients.clear();
  server_->serve(now_ns_);
  const UniqueFd later = connect();
  say(later, "status\n");
  EXPECT_EQ(read_all(later.get()), "heard status\n");
}

TEST_F(Admin, sends_a_follower_what_passes_its_filter) {
  const UniqueFd client = connect();
  EXPECT_FALSE(server_->has_followers());
  say(client, "follow\n");
  EXPECT_TRUE(server_->has_followers());
  publish(request_report());
  EXPECT_EQ(lines_made_, 0);
  publish(direct_report());
  EXPECT_EQ(lines_made_, 1);
  EXPECT_THAT(received(client), HasSubstr("eee"));
  server_->expire(now_ns_ + 10 * AdminServer::kPatienceNs);
  EXPECT_TRUE(server_->has_followers());
}

TEST_F(Admin, counts_what_a_slow_follower_misses) {
  const UniqueFd client = connect();
  say(client, "follow\n");
  for (int i = 0; i < 1000; ++i) publish(direct_report());
  EXPECT_GT(server_->lines_lost(), 0u);
  EXPECT_LT(server_->lines_lost(), 1000u);
}

TEST_F(Admin, forgets_a_follower_that_has_gone) {
  {
    const UniqueFd client = connect();
    say(client, "follow\n");
  }
  server_->serve(now_ns_);
  EXPECT_FALSE(server_->has_followers());
}

TEST_F(Admin, leaves_a_living_agents_socket_alone) {
  const auto second = AdminServer::open(path_, [](const std::string&) { return AdminAnswer{}; });
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message, HasSubstr("another agent answers"));
}

TEST_F(Admin, replaces_a_dead_agents_socket_and_removes_its_own) {
  const std::string path = directory_.file("dead.sock");
  {
    const UniqueFd dead(::socket(AF_UNIX, SOCK_STREAM, 0));
    const auto address = admin_address(path);
    ASSERT_EQ(::bind(dead.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address), 0);
  }
  {
    const auto server = AdminServer::open(path, [](const std::string&) { return AdminAnswer{}; });
    ASSERT_TRUE(server) << server.error().message;
  }
  EXPECT_NE(::access(path.c_str(), F_OK), 0);
}

TEST_F(Admin, does_not_replace_a_file_that_is_no_socket) {
  const std::string path = directory_.write("precious", "data");
  const auto server = AdminServer::open(path, [](const std::string&) { return AdminAnswer{}; });
  ASSERT_FALSE(server);
  EXPECT_EQ(::access(path.c_str(), F_OK), 0);
}

/// In a child, which gives up root: SO_PEERCRED is what the kernel says, not what the client says.
TEST_F(Admin, refuses_other_users) {
  if (::geteuid() != 0) GTEST_SKIP() << "root is missing: only it can become another user";
  ASSERT_EQ(::chmod(path_.c_str(), 0666), 0);
  for (const char* folder : {"run", "."}) ASSERT_EQ(::chmod(directory_.file(folder).c_str(), 0755), 0);
  int answers[2];
  ASSERT_EQ(::pipe(answers), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setresuid(65534, 65534, 65534) != 0) _exit(1);
    const auto fd = connect_admin(path_);
    const char word = fd ? 'c' : 'n';
    if (::write(answers[1], &word, 1) != 1) _exit(1);
    const std::string text = fd ? read_all(fd->get()) : "";
    if (::write(answers[1], text.data(), text.size()) < 0) _exit(1);
    _exit(0);
  }
  const UniqueFd reading(answers[0]);
  ::close(answers[1]);
  char word = 0;
  ASSERT_EQ(::read(reading.get(), &word, 1), 1);
  ASSERT_EQ(word, 'c');
  server_->serve(now_ns_);
  std::string text;
  char buffer[256];
  for (ssize_t count = 0; (count = ::read(reading.get(), buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<std::size_t>(count));
  EXPECT_THAT(text, HasSubstr("only root and the agent's own user"));
}

}  // namespace
}  // namespace mtlswatch
