// SPDX-License-Identifier: Apache-2.0
#include "userspace/sink/json_lines_sink.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/unit/sink/reports.h"

namespace mtlswatch {
namespace {

constexpr JsonLinesLimits kNoWaiting{.pending_bytes = 64 << 10, .wait_ms = 0};

struct Pipe {
  UniqueFd reader;
  UniqueFd writer;
};

Pipe make_pipe() {
  int ends[2] = {-1, -1};
  EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

/// What can be read now, without waiting.
std::string drained(const UniqueFd& reader) {
  ::fcntl(reader.get(), F_SETFL, O_NONBLOCK);
  std::string text;
  char chunk[4096];
  for (ssize_t got = 0; (got = ::read(reader.get(), chunk, sizeof chunk)) > 0;)
    text.append(chunk, static_cast<std::size_t>(got));
  return text;
}

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> result;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) result.push_back(line);
  return result;
}

std::string content(const std::string& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

class JsonLines : public testing::Test {
 protected:
  JsonLines() {
    ::signal(SIGPIPE, SIG_IGN);
    ::signal(SIGXFSZ, SIG_IGN);
    std::string name = (std::filesystem::temp_directory_path() / "mtlswatch-sink-XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
    output_.path = directory_ / "events.json";
  }
  ~JsonLines() override { std::filesystem::remove_all(directory_); }

  static void expect_whole_lines(const std::string& text) {
    for (const auto& line : lines(text)) EXPECT_TRUE(nlohmann::json::accept(line)) << line.substr(0, 80);
  }

  OutputConfig output_;
  std::filesystem::path directory_;
};

TEST_F(JsonLines, appends_whole_lines_to_a_private_file) {
  { std::ofstream(output_.path) << "{\"old\":1}\n"; }
  auto sink = JsonLinesSink::open(output_, test_context());
  ASSERT_TRUE(sink) << sink.error().message;
  EXPECT_TRUE(sink->write(handshake_report()));
  EXPECT_TRUE(sink->write(request_report()));
  EXPECT_EQ(lines(content(output_.path)).size(), 1u) << "a batch goes out at its end";
  EXPECT_TRUE(sink->flush());
  EXPECT_EQ(lines(content(output_.path)).size(), 3u);
  expect_whole_lines(content(output_.path));
  EXPECT_EQ(sink->counters().lines_written, 2u);
  EXPECT_EQ(sink->counters().lines_lost, 0u);
}

TEST_F(JsonLines, creates_its_file_without_rights_for_others) {
  const mode_t mask = ::umask(0);
  ASSERT_TRUE(JsonLinesSink::open(output_, test_context()));
  ::umask(mask);
  struct stat facts {};
  ASSERT_EQ(::stat(output_.path.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0640u);
}

TEST_F(JsonLines, says_which_file_cannot_be_opened) {
  output_.path = directory_ / "absent" / "events.json";
  const auto sink = JsonLinesSink::open(output_, test_context());
  ASSERT_FALSE(sink);
  EXPECT_EQ(sink.error().message, "open " + output_.path + ": No such file or directory");
}

TEST_F(JsonLines, lets_out_only_the_kinds_asked_for_and_numbers_all) {
  output_.events = {"request"};
  auto sink = JsonLinesSink::open(output_, SinkContext{});
  ASSERT_TRUE(sink);
  EXPECT_TRUE(sink->write(agent_report()));
  EXPECT_TRUE(sink->write(handshake_report()));
  EXPECT_TRUE(sink->write(request_report()));
  EXPECT_TRUE(sink->flush());
  const auto written = lines(content(output_.path));
  ASSERT_EQ(written.size(), 1u);
  EXPECT_EQ(at(nlohmann::json::parse(written[0]), "/event/sequence"), 3);
  EXPECT_EQ(at(nlohmann::json::parse(written[0]), "/event/dataset"), "mtlswatch.request");
}

TEST_F(JsonLines, keeps_what_a_full_pipe_refuses_and_counts_what_it_cannot_keep) {
  Pipe pipe = make_pipe();
  JsonLinesSink sink(std::move(pipe.writer), output_, test_context(), kNoWaiting);
  constexpr std::uint64_t kReports = 500;  // some 1.5 MB into a pipe of 64 KiB: a blocking write would hang here
  for (std::uint64_t i = 0; i < kReports; ++i) {
    EXPECT_TRUE(sink.write(request_report()));
    EXPECT_TRUE(sink.flush());
  }
  EXPECT_GT(sink.counters().lines_lost, 0u);
  std::string received;
  for (std::string part = drained(pipe.reader); !part.empty(); part = drained(pipe.reader)) {
    received += part;
    EXPECT_TRUE(sink.flush());
  }
  expect_whole_lines(received);
  EXPECT_EQ(lines(received).size(), sink.counters().lines_written);
  EXPECT_EQ(sink.counters().lines_written + sink.counters().lines_lost, kReports);
}

TEST_F(JsonLines, counts_what_is_pending_at_the_end_as_lost) {
  Pipe pipe = make_pipe();
  JsonLinesSink sink(std::move(pipe.writer), output_, test_context(), kNoWaiting);
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(sink.write(request_report()));
  EXPECT_TRUE(sink.finish(0));
  EXPECT_EQ(sink.counters().lines_written, lines(drained(pipe.reader)).size() - 1) << "the last line is torn";
  EXPECT_EQ(sink.counters().lines_written + sink.counters().lines_lost, 50u);
  EXPECT_EQ(sink.counters().last_error, "the reader is too slow");
}

TEST_F(JsonLines, never_blocks_on_a_socket) {
  int ends[2] = {-1, -1};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const UniqueFd reader(ends[0]);
  JsonLinesSink sink(UniqueFd(ends[1]), output_, test_context(), kNoWaiting);
  for (int i = 0; i < 500; ++i) {
    EXPECT_TRUE(sink.write(request_report()));
    EXPECT_TRUE(sink.flush());
  }
  EXPECT_GT(sink.counters().lines_lost, 0u);
  EXPECT_GT(sink.counters().lines_written, 0u);
}

TEST_F(JsonLines, tells_a_reader_that_has_gone) {
  Pipe pipe = make_pipe();
  JsonLinesSink sink(std::move(pipe.writer), output_, test_context(), kNoWaiting);
  pipe.reader = UniqueFd();
  EXPECT_TRUE(sink.write(request_report()));
  EXPECT_FALSE(sink.reader_gone());
  EXPECT_FALSE(sink.flush());
  EXPECT_TRUE(sink.reader_gone());
  EXPECT_FALSE(sink.write(request_report()));
  EXPECT_FALSE(sink.finish(0));
  EXPECT_EQ(sink.counters().lines_lost, 2u);
  EXPECT_EQ(sink.counters().lines_written, 0u);
}

TEST_F(JsonLines, goes_on_after_a_full_disk) {
  JsonLinesSink sink(UniqueFd(::open("/dev/full", O_WRONLY | O_CLOEXEC)), output_, test_context(), kNoWaiting);
  EXPECT_TRUE(sink.write(request_report()));
  EXPECT_TRUE(sink.flush());
  EXPECT_TRUE(sink.write(request_report()));
  EXPECT_TRUE(sink.flush());
  EXPECT_EQ(sink.counters().lines_lost, 2u);
  EXPECT_EQ(sink.counters().last_error, "No space left on device");
}

TEST_F(JsonLines, spoils_only_the_line_that_a_full_disk_tore) {
  auto sink = JsonLinesSink::open(output_, test_context());
  ASSERT_TRUE(sink);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small{100, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  EXPECT_TRUE(sink->write(request_report()));
  EXPECT_TRUE(sink->write(request_report()));
  EXPECT_TRUE(sink->flush());
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_TRUE(sink->write(request_report()));
  EXPECT_TRUE(sink->finish(0));
  const auto written = lines(content(output_.path));
  ASSERT_EQ(written.size(), 2u);
  EXPECT_EQ(written[0].size(), 100u);
  EXPECT_TRUE(nlohmann::json::accept(written[1]));
  EXPECT_EQ(sink->counters().lines_lost, 2u);
  EXPECT_EQ(sink->counters().lines_written, 1u);
  EXPECT_EQ(sink->counters().last_error, "File too large");
}

TEST_F(JsonLines, follows_a_step_of_the_wall_clock) {
  SinkContext context = test_context();
  auto sink = JsonLinesSink::open(output_, context);
  ASSERT_TRUE(sink);
  context.utc_minus_boottime_ns.set(0);
  EXPECT_TRUE(sink->write(agent_report()));
  EXPECT_TRUE(sink->flush());
  EXPECT_EQ(at(nlohmann::json::parse(content(output_.path)), "/@timestamp"), "1970-01-01T00:00:03.000000Z");
}

}  // namespace
}  // namespace mtlswatch
