// SPDX-License-Identifier: Apache-2.0
// 100 MB of events at once, through every kind of output: into a file, to a reader that reads nothing, to a log server that
// reads nothing, to a webhook that nobody serves. Who offers them waits for none of these, and what is lost is counted.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "tests/unit/sink/reports.h"
#include "userspace/sink/json_lines_sink.h"
#include "userspace/sink/peer_sink.h"

namespace mtlswatch {
namespace {

constexpr std::size_t kBurstBytes = 100'000'000;
constexpr std::size_t kMostQueuedBytes = 17u << 20;  ///< the largest queue, and the event that filled it
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)  // keeps what was freed for a while
constexpr std::size_t kMostGrowthKib = 512u << 10;
#else
constexpr std::size_t kMostGrowthKib = 128u << 10;   ///< all queues together, and their copies on the way out
#endif
constexpr std::chrono::seconds kMostWait{5};         ///< on a busy machine; a peer that is waited for never comes

/// A TCP port of loopback where connections wait for ever.
class SilentPort {
 public:
  SilentPort() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(fd_.get(), 8), 0);
    EXPECT_EQ(::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    text_ = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  }
  const std::string& text() const { return text_; }

 private:
  UniqueFd fd_;
  std::string text_;
};

std::size_t resident_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (word == "VmRSS:") return status >> word, std::stoul(word);
  }
  return 0;
}

struct Output {
  std::unique_ptr<Sink> sink;
  std::chrono::steady_clock::duration longest{};

  void take(const Report& report) {
    const auto began = std::chrono::steady_clock::now();
    EXPECT_TRUE(sink->write(report));
    longest = std::max(longest, std::chrono::steady_clock::now() - began);
  }
};

class Burst : public testing::Test {
 protected:
  Burst() {
    folder = (std::filesystem::temp_directory_path() / "mtlswatch-burst-XXXXXX").string();
    EXPECT_NE(::mkdtemp(folder.data()), nullptr);
    EXPECT_EQ(::pipe(pipe), 0);
  }
  ~Burst() override {
    std::filesystem::remove_all(folder);
    ::close(pipe[0]);
  }

  void add_file() {
    OutputConfig output;
    output.path = folder + "/events.json";
    outputs.emplace_back().sink = std::make_unique<JsonLinesSink>(std::move(*JsonLinesSink::open(output, test_context())));
  }
  void add_pipe() { outputs.emplace_back().sink = std::make_unique<JsonLinesSink>(UniqueFd(pipe[1]), OutputConfig{}, test_context()); }
  void add_peer(const std::string& type) {
    OutputConfig output;
    output.type = type;
    output.events = {"request"};
    output.url = "http://" + port.text() + "/";
    output.address = endpoint(port.text());
    output.queue = 1'000'000;  // so that its bytes are the limit
    auto sink = PeerSink::open(output, test_context());
    ASSERT_TRUE(sink) << sink.error().message;
    outputs.emplace_back().sink = std::move(*sink);
  }
  OutputStatus status(std::size_t number) const { return outputs[number].sink->status(); }

  std::string folder;
  int pipe[2] = {};
  SilentPort port;
  std::vector<Output> outputs;
};

TEST_F(Burst, waits_for_nobody_keeps_little_and_counts_what_is_lost) {
  add_file();
  add_pipe();
  add_peer("syslog");
  add_peer("webhook");
  const Report report = request_report();
  const std::size_t events = kBurstBytes / ecs_json(report, test_context()).size();
  const std::size_t before_kib = resident_kib();
  for (std::size_t i = 0; i < events; ++i) {
    for (Output& output : outputs) output.take(report);
  }
  EXPECT_LT(resident_kib() - before_kib, kMostGrowthKib);
  for (std::size_t number = 0; number < outputs.size(); ++number) {
    EXPECT_LT(outputs[number].longest, kMostWait) << number;
    EXPECT_LT(status(number).queued_bytes, kMostQueuedBytes) << number;
    outputs[number].sink->begin_finish(0);
  }
  for (std::size_t number = 0; number < outputs.size(); ++number) {
    const bool is_file = number == 0;
    EXPECT_EQ(static_cast<bool>(outputs[number].sink->finish(0)), number < 2) << number;
    EXPECT_EQ(status(number).written + status(number).lost, events) << number;
    EXPECT_EQ(status(number).lost == 0, is_file) << number;
  }
  EXPECT_GE(std::filesystem::file_size(folder + "/events.json"), events * 1000);
}

}  // namespace
}  // namespace mtlswatch
