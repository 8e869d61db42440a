// SPDX-License-Identifier: Apache-2.0
// A front whose reads from its clients are told, for tests of the content witness.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "tests/unit/builders/scene.h"
#include "userspace/decode/client_content.h"

namespace mtlswatch {

inline const std::string kAlices = "session=4f9d27b1c08e6a35", kBobs = "session=53a6e80c1b72d9f4";

inline std::string head_with(const std::string& cookie, const std::string& more = "") {
  return "GET /orders HTTP/1.1\r\nHost: shop\r\nCookie: " + cookie + "\r\n" + more + "\r\n";
}

/// A proxy that queues and whose reads are told; alice and bob are clients of it.
class Contents : public testing::Test {
 protected:
  Contents() { again(); }

  /// A host on which nothing has happened yet.
  void again() {
    contents.clear();
    positions.clear();
    world = std::make_unique<Scene>();
    scene().make_proxy_unknown();
    const ConnectionId first = scene().client_without_certificate(39998), second = scene().client_without_certificate(39999);
    ask_upstream("", second);  // leaves it open: from here on the process is asked for what it reads
    scene().give(ConnectionClosed{++scene().now_ns, first});
    scene().give(ConnectionClosed{++scene().now_ns, second});
    scene().pass(16'000 * kMs);
    scene().out = {};
    alice = client(40000, "alice");
    bob = client(40001, "");
  }

  ConnectionId client(std::uint16_t port, const std::string& name, bool told = true) {
    const ConnectionId id = scene().tls_client(port);
    if (!name.empty()) scene().give(PeerCertificate{++scene().now_ns, {kNginx, kNginx}, id, 1, 0, leaf(name)});
    HandshakeStep step = scene().step_of(id, 1);
    step.driver = HandshakeDriver::kRead;
    step.content_told = told;
    step.certificates = !name.empty();
    if (!name.empty()) step.verify_code = 0;
    scene().give(step);
    return id;
  }

  void read(ConnectionId id, const std::string& text, std::uint32_t hidden = 0) {
    scene().receive(id, ++turns, 300);
    mtlswatch_content record{};
    record.header.time_ns = ++scene().now_ns;
    record.header.pid = record.header.tid = kNginx;
    record.cookie = id;
    record.position = positions[id];
    record.length = static_cast<std::uint32_t>(text.size()) + hidden;
    positions[id] += record.length;
    scene().give(contents.read(record, text));
  }

  /// The backend reads this head. answered: the client to whom its answer goes.
  void ask_upstream(const std::string& head, ConnectionId answered) {
    const auto [upstream, backend] = scene().upstream(next_port++);
    scene().send(upstream, 1, 7000, Witness{answered, 2, 300});
    RequestSeen seen;
    seen.time_ns = ++scene().now_ns;
    seen.actor = {kDjango, kDjango};
    seen.id = backend;
    seen.position = 7000;
    seen.head.state = HeadState::kComplete;
    auto print = print_head(head);
    if (print) seen.head.print = std::make_shared<const HeadPrint>(std::move(*print));
    scene().give(seen);
    scene().response(backend);
    if (answered != 0) scene().send(answered, ++turns, 900, Witness{upstream, 1, 1});
    scene().give(ConnectionClosed{++scene().now_ns, upstream});
    scene().pass(2'100 * kMs);
  }

  void earn_trust() {
    for (std::uint64_t i = 0; i < ContentWitness::kAgreements; ++i) {
      const std::string mine = head_with(kAlices, "X-Request-ID: 7d1c5f0e9b3a4826" + std::to_string(i) + "\r\n");
      read(alice, mine);
      ask_upstream(mine, alice);
    }
    scene().out = {};
  }

  Scene& scene() { return *world; }
  const Attribution& attribution() { return scene().settled().provenance.attribution; }
  /// Both have asked at once; what the backend has read is alice's head, and nothing else tells so.
  void ask_for_alice(const std::string& head = head_with(kAlices)) { ask_upstream(head, 0); }

  void expect_alice() {
    EXPECT_EQ(attribution().method, "content");
    EXPECT_EQ(attribution().confidence, Confidence::kExact);
    ASSERT_EQ(scene().settled().provenance.origins.size(), 1u);
    EXPECT_EQ(scene().settled().provenance.origins[0].id, alice);
  }
  void expect_open() { EXPECT_EQ(attribution().method, "candidates"); }

  std::unique_ptr<Scene> world;
  ClientContents contents;
  std::map<ConnectionId, std::uint64_t> positions;
  std::uint64_t turns = 10;
  std::uint16_t next_port = 5000;
  ConnectionId alice = 0, bob = 0;
};

}  // namespace mtlswatch
