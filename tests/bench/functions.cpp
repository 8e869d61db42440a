// SPDX-License-Identifier: Apache-2.0
// What the functions cost that every request or handshake goes through: build/ci/tests/bench/bench_functions.
#include <benchmark/benchmark.h>

#include "tests/unit/builders/records.h"
#include "tests/unit/decode/openssl_fixture.h"
#include "tests/unit/sink/reports.h"
#include "userspace/app/pipeline.h"
#include "userspace/decode/tls_hello.h"
#include "userspace/decode/x509.h"

namespace mtlswatch {
namespace {

void writes_a_request(benchmark::State& state) {
  const Report report = request_report();
  const SinkContext context = test_context();
  JsonFragments fragments;
  fmt::memory_buffer buffer;
  for (auto _ : state) {
    buffer.clear();
    append_ecs_json(buffer, report, context, &fragments);
    benchmark::DoNotOptimize(buffer.data());
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(buffer.size()) * state.iterations());
}
BENCHMARK(writes_a_request);

void writes_a_handshake_of_a_new_client(benchmark::State& state) {
  const Report report = handshake_report();
  const SinkContext context = test_context();
  fmt::memory_buffer buffer;
  for (auto _ : state) {
    buffer.clear();
    append_ecs_json(buffer, report, context);
    benchmark::DoNotOptimize(buffer.data());
  }
}
BENCHMARK(writes_a_handshake_of_a_new_client);

void escapes_text(benchmark::State& state) {
  const std::string text(static_cast<std::size_t>(state.range(0)), 'x');
  fmt::memory_buffer buffer;
  for (auto _ : state) {
    buffer.clear();
    append_json_string(buffer, text);
    benchmark::DoNotOptimize(buffer.data());
  }
}
BENCHMARK(escapes_text)->Arg(10)->Arg(100)->Arg(1000);

void parses_a_certificate(benchmark::State& state) {
  const test::Key key = test::rsa_key();
  const auto der = test::make_der(key);
  for (auto _ : state) benchmark::DoNotOptimize(parse_certificate(der));
}
BENCHMARK(parses_a_certificate);

/// Request and answer on a kept-alive connection, from the kernel's records to the report.
void judges_a_direct_request(benchmark::State& state) {
  constexpr std::string_view kRequest = "GET /orders HTTP/1.1\r\nHost: shop\r\nX-SSL-Client-Verify: SUCCESS\r\n\r\n";
  constexpr std::string_view kAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
  constexpr std::uint32_t kReceived = MTLSWATCH_IO_TURN | MTLSWATCH_IO_BACKEND;
  Pipeline pipeline(Config{}, {}, UtcClock(0), [](Report&) {});
  pipeline.record(test::connection_record());
  std::uint64_t position = 0, sent = 0, turn = 0, now_ns = 1000;
  for (auto _ : state) {
    now_ns += 1000;
    pipeline.record(test::io_record({.position = position, .turn = ++turn, .flags = kReceived, .data = kRequest, .time_ns = now_ns}));
    pipeline.record(test::io_record({.position = sent, .turn = ++turn, .flags = kReceived | MTLSWATCH_IO_SEND, .data = kAnswer, .time_ns = now_ns + 1}));
    position += kRequest.size();
    sent += kAnswer.size();
  }
}
BENCHMARK(judges_a_direct_request);

}  // namespace
}  // namespace mtlswatch

BENCHMARK_MAIN();
