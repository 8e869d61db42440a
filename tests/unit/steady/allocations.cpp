// SPDX-License-Identifier: Apache-2.0
// What judging and writing a kept-alive request allocates, from the kernel's record to the line of JSON.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <cstdlib>
#include <new>

#include "tests/unit/builders/records.h"
#include "userspace/app/pipeline.h"
#include "userspace/sink/json_lines_sink.h"

namespace {

struct {
  std::uint64_t calls = 0;
  std::int64_t bytes_in_use = 0;
} allocated;  // this program has one thread

void release(void* memory) {
  allocated.bytes_in_use -= static_cast<std::int64_t>(malloc_usable_size(memory));
  std::free(memory);
}

}  // namespace

void* operator new(std::size_t bytes) {
  void* const memory = std::malloc(bytes == 0 ? 1 : bytes);
  if (memory == nullptr) std::abort();
  ++allocated.calls;
  allocated.bytes_in_use += static_cast<std::int64_t>(malloc_usable_size(memory));
  return memory;
}
void operator delete(void* memory) noexcept { release(memory); }
void operator delete(void* memory, std::size_t) noexcept { release(memory); }

namespace mtlswatch {
namespace {

/// One client that asks a backend over one connection, for ever.
class KeptAlive : public ::testing::Test {
 protected:
  KeptAlive() {
    ProcessFacts django;
    django.pid = 10;
    django.name = "gunicorn";
    django.command_line = "/usr/bin/python3 /usr/bin/gunicorn --bind 127.0.0.1:8443 shop.wsgi";
    django.backend = "shop";
    pipeline_.process(django);
    pipeline_.record(test::connection_record());
  }

  void ask(int requests) {
    constexpr std::string_view kRequest =
        "GET /orders/1 HTTP/1.1\r\nHost: shop.example.org\r\nX-Request-ID: 0123456789abcdef0123456789abcdef\r\n"
        "X-SSL-Client-Verify: SUCCESS\r\nX-SSL-Client-Subject: CN=alice,OU=Shop,O=Example,C=US\r\n\r\n";
    constexpr std::string_view kAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
    for (int i = 0; i < requests; ++i) {
      time_ns_ += 1'000'000;
      pipeline_.record(test::io_record({.position = received_, .turn = ++turn_, .flags = kReceived, .data = kRequest, .time_ns = time_ns_}));
      pipeline_.record(test::io_record({.position = sent_, .turn = ++turn_, .flags = kReceived | MTLSWATCH_IO_SEND, .data = kAnswer, .time_ns = time_ns_ + 1}));
      pipeline_.tick(time_ns_ + 2);
      received_ += kRequest.size();
      sent_ += kAnswer.size();
    }
  }

  std::uint64_t written_ = 0;

 private:
  static constexpr std::uint32_t kReceived = MTLSWATCH_IO_TURN | MTLSWATCH_IO_BACKEND;
  JsonLinesSink sink_{UniqueFd(::open("/dev/null", O_WRONLY | O_CLOEXEC)), OutputConfig{}, SinkContext{}};
  Pipeline pipeline_{Config{}, {}, UtcClock(0), [this](Report& report) {
                       written_ += std::holds_alternative<RequestReport>(report);
                       EXPECT_TRUE(sink_.write(report));
                     }};
  std::uint64_t received_ = 0, sent_ = 0, turn_ = 0, time_ns_ = 1000;
};

TEST_F(KeptAlive, requests_leave_nothing_behind) {
  constexpr int kRequests = 4000;
  ask(kRequests);
  const std::int64_t before = allocated.bytes_in_use;
  ask(kRequests);
  EXPECT_EQ(written_, 2u * kRequests);
  EXPECT_LT(allocated.bytes_in_use - before, kRequests) << "less than a byte a request: tables may round up";
}

// Texts of the request and of its event, longer than a string holds in itself. Nothing of the process, the session or the
// certificate is copied: that would be more.
TEST_F(KeptAlive, requests_allocate_a_few_dozen_short_texts) {
  constexpr std::uint64_t kRequests = 1000, kOfRecords = 2;
  ask(kRequests);
  const std::uint64_t before = allocated.calls;
  ask(kRequests);
  const double each = static_cast<double>(allocated.calls - before) / kRequests - kOfRecords;
  RecordProperty("allocations_a_request", std::to_string(each));
  EXPECT_LT(each, 40);
}

}  // namespace
}  // namespace mtlswatch
