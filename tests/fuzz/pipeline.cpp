// SPDX-License-Identifier: Apache-2.0
// Everything behind the ring, from arbitrary sequences of records: whatever comes in whatever order, nobody is called
// authenticated whose certificate no record has shown and verified, nobody is said to have sent none whose handshake no record
// has ended, every event is one line of JSON, and no table outgrows its limit.
// Input: steps of five bytes, {what, connection, three arguments}.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tests/unit/builders/records.h"
#include "userspace/app/pipeline.h"
#include "userspace/base/cursor.h"
#include "userspace/sink/ecs_json.h"

namespace {

using namespace mtlswatch;
using namespace std::string_literals;

constexpr std::uint32_t kNginx = 10, kQueue = 11, kDjango = 20, kStranger = 30;
constexpr std::uint16_t kClientPorts = 40000;
constexpr std::uint64_t kMs = 1'000'000;

struct Wire {
  std::uint32_t pid;
  std::uint8_t role;
  std::uint16_t local_port, remote_port;
};

/// Clients of a proxy that runs to completion and of one that queues, their ways to the backend, and somebody who asks it directly.
constexpr Wire kWires[] = {
    {kNginx, MTLSWATCH_ROLE_INGRESS, 443, kClientPorts},     {kNginx, MTLSWATCH_ROLE_INGRESS, 443, kClientPorts + 1},
    {kNginx, MTLSWATCH_ROLE_EGRESS, 50000, 8000},            {kDjango, MTLSWATCH_ROLE_INGRESS, 8000, 50000},
    {kNginx, MTLSWATCH_ROLE_EGRESS, 50001, 8000},            {kDjango, MTLSWATCH_ROLE_INGRESS, 8000, 50001},
    {kQueue, MTLSWATCH_ROLE_INGRESS, 443, kClientPorts + 6}, {kQueue, MTLSWATCH_ROLE_INGRESS, 443, kClientPorts + 7},
    {kQueue, MTLSWATCH_ROLE_EGRESS, 50002, 8000},            {kDjango, MTLSWATCH_ROLE_INGRESS, 8000, 50002},
    {kStranger, MTLSWATCH_ROLE_EGRESS, 50003, 8000},         {kDjango, MTLSWATCH_ROLE_INGRESS, 8000, 50003},
};
constexpr std::size_t kCount = std::size(kWires);

std::string hello(std::uint8_t type, const std::string& rest) {
  const std::string body = "\x03\x03"s + std::string(32, 'r') + rest;
  const std::string message = std::string(1, static_cast<char>(type)) + std::string(2, '\0') + static_cast<char>(body.size()) + body;
  return "\x16\x03\x01"s + std::string(1, '\0') + static_cast<char>(message.size()) + message;
}

const std::array<std::string, 8>& messages() {
  static const std::array<std::string, 8> kMessages = {
      hello(1, "\0\0\x02\x13\x01\x01\0"s),
      hello(2, "\0\x13\x01\0\0\x06\0\x2b\0\x02\x03\x04"s),
      "GET /orders HTTP/1.1\r\nHost: shop\r\n\r\n",
      "POST /a HTTP/1.1\r\nHost: shop\r\nContent-Length: 3\r\nX-SSL-Client-Verify: SUCCESS\r\nX-SSL-Client-Subject: CN=alice\r\n\r\nabc",
      "HTTP/1.1 200 OK\r\n",
      "HTTP/1.1 101 Swi",
      "\x17\x03\x03\0\x13 application data"s,
      "",
  };
  return kMessages;
}

void check(bool holds) {
  if (!holds) std::abort();
}

class World {
 public:
  World() : pipeline_(config(), {}, UtcClock(0), [this](Report& report) { judge(report); }) {
    for (const std::uint32_t pid : {kNginx, kQueue, kDjango, kStranger}) {
      ProcessFacts facts;
      facts.pid = pid;
      facts.name = pid == kNginx ? "nginx" : pid == kDjango ? "gunicorn" : "other";
      facts.known_proxy = pid == kNginx ? "nginx" : "";
      facts.front = pid == kNginx || pid == kQueue;
      facts.backend = pid == kDjango ? "shop" : "";
      facts.tls_coverage = "attached";
      pipeline_.process(facts);
    }
  }

  void step(std::uint8_t what, std::size_t wire, std::uint8_t a, std::uint8_t b, std::uint8_t c) {
    now_ns_ += kMs / 10;
    switch (what % 9) {
      case 0: return open(wire, a);
      case 1: return move(wire, a, b, c);
      case 2: return handshake(wire, a, b, c);
      case 3: return certificate(wire, a, b);
      case 4: return a >= 0xc0 ? content(wire, a, b, c) : session(wire, a, b);
      case 5: return give(test::close_record(wire + 1, now_ns_));
      case 6: return pass(a * 20 * kMs);
      case 7: lost_ += a % 4; return;
      default: return give(test::process_record(1 + a % 4, kWires[wire].pid, 1));
    }
  }

  void end() {
    for (int i = 0; i < 3; ++i) pass(700'000 * kMs);  // longer than anything is waited for
    pipeline_.finish(now_ns_);
    check(pipeline_.correlator().exchanges() == 0);
    check(pipeline_.decoder().counters().records == given_);
  }

 private:
  static Config config() {
    Config config;
    config.limits.connections = 16;
    config.limits.exchanges = 3;
    return config;
  }

  void give(test::RawRecord record) {
    auto& header = *reinterpret_cast<mtlswatch_header*>(record.data());
    header.time_ns = now_ns_;
    header.records_lost = lost_;
    ++given_;
    pipeline_.record(record);
    check(pipeline_.correlator().connections() <= config().limits.connections);
    check(pipeline_.correlator().exchanges() <= config().limits.exchanges);
  }

  void pass(std::uint64_t ns) { pipeline_.tick(now_ns_ += ns); }

  void open(std::size_t wire, std::uint8_t flags) {
    auto record = test::connection_record({.cookie = wire + 1, .role = kWires[wire].role, .flags = static_cast<std::uint8_t>(flags & 1)});
    auto& facts = *reinterpret_cast<mtlswatch_connection*>(record.data());
    facts.header.pid = facts.header.tid = kWires[wire].pid;
    facts.local_port = kWires[wire].local_port;
    facts.remote_port = kWires[wire].remote_port;
    std::memcpy(facts.remote_address, facts.local_address, sizeof facts.remote_address);
    give(std::move(record));
  }

  void move(std::size_t wire, std::uint8_t message, std::uint8_t flags, std::uint8_t witness) {
    const bool is_send = flags & MTLSWATCH_IO_SEND;
    const std::string& data = messages()[message % messages().size()];
    const bool is_backend = kWires[wire].pid == kDjango;
    std::uint64_t& position = (is_send ? sent_ : received_)[wire];
    std::uint64_t& turn = (is_send ? send_turns_ : receive_turns_)[wire];
    turn += (flags & MTLSWATCH_IO_TURN) != 0;
    auto record = test::io_record({.cookie = wire + 1,
                                   .position = 1000 + position,
                                   .turn = turn,
                                   .flags = static_cast<std::uint32_t>(flags | (is_backend ? MTLSWATCH_IO_BACKEND : 0)),
                                   .data = data,
                                   .length = static_cast<std::uint32_t>(data.size() + message / messages().size()),
                                   .witness = witness % (kCount + 1)});
    auto& io = *reinterpret_cast<mtlswatch_io*>(record.data());
    io.header.pid = io.header.tid = kWires[wire].pid;
    if (io.witness_cookie != 0) {
      io.witness_turn = receive_turns_[io.witness_cookie - 1];
      io.witness_position = 1000 + receive_began_[io.witness_cookie - 1];
    }
    if (!is_send && (flags & MTLSWATCH_IO_TURN) != 0) receive_began_[wire] = position;
    position += io.length;
    give(std::move(record));
  }

  void handshake(std::size_t wire, std::uint8_t flags, std::uint8_t code, std::uint8_t result) {
    auto record = test::handshake_record({.cookie = flags & 0x80 ? 0 : wire + 1,
                                          .ssl = ssl_of(wire),
                                          .result = result % 3 - 1,
                                          .verify_code = code % 4 == 0 ? 0 : code,
                                          .certificates = result / 3u % 3,
                                          .flags = (flags & 0xfu) | (flags & 0x40 ? MTLSWATCH_HANDSHAKE_CONTENT : 0u),
                                          .time_ns = now_ns_});
    auto& facts = *reinterpret_cast<mtlswatch_handshake*>(record.data());
    facts.header.pid = facts.header.tid = kWires[wire].pid;
    facts.driver = flags >> 4 & 3;
    if (facts.result > 0) ended_[wire] = true;
    if ((facts.flags & MTLSWATCH_HANDSHAKE_VERIFIED) != 0 && facts.verify_code == 0) verified_[wire] = true;
    give(std::move(record));
  }

  void certificate(std::size_t wire, std::uint8_t index, std::uint8_t which) {
    const std::uint8_t der[4] = {0x30, 0x02, 0x05, which};
    auto record = test::certificate_record(der, 0, {.cookie = wire + 1, .ssl = ssl_of(wire), .tid = kWires[wire].pid});
    auto& facts = *reinterpret_cast<mtlswatch_certificate*>(record.data());
    facts.header.pid = kWires[wire].pid;
    facts.index = index % 3 | (index & 0x80 ? MTLSWATCH_CERTIFICATE_OF_SESSION : 0);
    shown_[wire] = true;
    give(std::move(record));
  }

  void session(std::size_t wire, std::uint8_t change, std::uint8_t code) {
    mtlswatch_session facts{};
    facts.header = test::header(now_ns_, kWires[wire].pid, kWires[wire].pid);
    facts.cookie = wire + 1;
    facts.ssl = ssl_of(wire);
    facts.session = 0x7000 + change / 16;
    facts.change = change % 5;
    facts.flags = code & 7;
    facts.verify_code = code >> 3;
    if (facts.change == MTLSWATCH_SESSION_OFFERED && facts.verify_code == 0) verified_[wire] = true;
    if (facts.change == MTLSWATCH_SESSION_FOUND) found_ = true;
    give(test::raw(facts, MTLSWATCH_KIND_SESSION));
  }

  /// What a process has read from a client; two bits of what make gaps and bytes that were not captured.
  void content(std::size_t wire, std::uint8_t what, std::uint8_t message, std::uint8_t cut) {
    const std::string& data = messages()[message % messages().size()];
    mtlswatch_content facts{};
    facts.header = test::header(now_ns_, kWires[wire].pid, kWires[wire].pid);
    facts.cookie = wire + 1;
    facts.position = content_[wire] + what % 4 / 3;
    facts.captured_bytes = static_cast<std::uint32_t>(std::min<std::size_t>(data.size(), 255u - cut));
    facts.length = facts.captured_bytes + (what & 8 ? cut : 0);
    content_[wire] = facts.position + facts.length;
    give(test::raw(facts, MTLSWATCH_KIND_CONTENT, test::bytes_of(data).first(facts.captured_bytes), 512));
  }

  /// A session out of a process's cache may be any other's of that process, of which the same must hold.
  bool has_evidence(const std::array<bool, kCount>& seen, std::size_t wire) const {
    if (seen[wire] || !found_) return seen[wire];
    for (std::size_t other = 0; other < kCount; ++other) {
      if (seen[other] && kWires[other].pid == kWires[wire].pid) return true;
    }
    return false;
  }

  void judge(const Report& report) {
    const std::string line = ecs_json(report, {});
    check(line.find('\n') == std::string::npos && nlohmann::json::accept(line));
    const auto* request = std::get_if<RequestReport>(&report);
    if (!request) return;
    const auto any = [](const std::array<bool, kCount>& seen) { return std::find(seen.begin(), seen.end(), true) != seen.end(); };
    if (request->verdict == Verdict::kAuthenticated) check(any(verified_) && any(shown_));
    if (!request->source || request->source->port < kClientPorts || request->source->port >= kClientPorts + kCount) return;
    const std::size_t wire = request->source->port - kClientPorts;
    if (request->verdict == Verdict::kAuthenticated) check(has_evidence(verified_, wire) && has_evidence(shown_, wire));
    if (request->reason == Reason::kNoClientCertificate) check(ended_[wire]);
    if (request->reason == Reason::kClientCertificateNotVerified) check(has_evidence(shown_, wire));
  }

  static std::uint64_t ssl_of(std::size_t wire) { return 0x5000 + 16 * wire; }

  Pipeline pipeline_;
  std::uint64_t now_ns_ = 1'000'000'000, lost_ = 0, given_ = 0;
  std::array<std::uint64_t, kCount> sent_{}, received_{}, receive_began_{}, send_turns_{}, receive_turns_{}, content_{};
  std::array<bool, kCount> verified_{}, shown_{}, ended_{};
  bool found_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  World world;
  for (Cursor input({bytes, size}); input.left() >= 5;) {
    const auto step = *input.take(5);
    world.step(step[0], step[1] % kCount, step[2], step[3], step[4]);
  }
  world.end();
  return 0;
}
