// SPDX-License-Identifier: Apache-2.0
// A host in a test: one nginx (pid 10), one Django worker (pid 20), connections between them, and a clock that moves by
// hand. Each call hands the events of one step to a Correlator.
#pragma once

#include <gtest/gtest.h>

#include "userspace/correlate/correlator.h"

namespace mtlswatch {

inline constexpr std::uint32_t kNginx = 10;
inline constexpr std::uint32_t kDjango = 20;
inline constexpr std::uint64_t kMs = 1'000'000;

inline Endpoint tcp(const char* ip, std::uint16_t port) { return Endpoint{*parse_ip(ip), port, {}}; }

inline Certificate leaf(const std::string& name) {
  Certificate certificate;
  certificate.parsed = true;
  certificate.subject.text = "CN=" + name;
  certificate.subject.common_name = {name};
  certificate.serial_number = "01" + name;
  return certificate;
}

class Scene {
 public:
  explicit Scene(const LimitsConfig& limits = {}) : correlator(limits) {
    make_proxy("nginx");
    ProcessFacts django;
    django.pid = kDjango;
    django.backend = "shop";
    give(ProcessKnown{django});
  }

  /// The process kNginx is this proxy.
  void make_proxy(const std::string& name) {
    ProcessFacts proxy;
    proxy.pid = kNginx;
    proxy.name = name;
    proxy.front = true;
    proxy.known_proxy = name;
    give(ProcessKnown{proxy});
  }

  /// A proxy that queues: no run-to-completion loop is known of it.
  void make_proxy_unknown(const char* tls_coverage = "attached") {
    ProcessFacts proxy;
    proxy.pid = kNginx;
    proxy.front = true;
    proxy.tls_coverage = tls_coverage;
    give(ProcessKnown{proxy});
  }

  void give(const Event& event) { correlator.on(event, out); }
  void pass(std::uint64_t ns) {
    now_ns += ns;
    give(Tick{now_ns});
  }

  ConnectionId connection(std::uint32_t pid, Role role, const Endpoint& local, const Endpoint& remote) {
    ConnectionOpened opened;
    opened.time_ns = ++now_ns;
    opened.actor = {pid, pid};
    opened.id = next_id_++;
    opened.role = role;
    opened.local = local;
    opened.remote = remote;
    give(opened);
    return opened.id;
  }

  /// A client of nginx's TLS listener, before its handshake.
  ConnectionId tls_client(std::uint16_t port, const ClientHello& client_hello = {}) {
    const ConnectionId id = connection(kNginx, Role::kIngress, tcp("10.0.0.1", 443), tcp("203.0.113.9", port));
    give(ConnectionBegan{++now_ns, id, FirstBytes::kTls});
    give(ClientHelloSeen{now_ns, id, client_hello});
    ServerHello hello;
    hello.version = 0x0304;
    give(ServerHelloSeen{now_ns, id, hello});
    receive(id, 1, 100);  // the client's second flight
    return id;
  }

  HandshakeStep step_of(ConnectionId id, int result) {
    HandshakeStep step;
    step.time_ns = ++now_ns;
    step.actor = {kNginx, kNginx};
    step.id = id;
    step.result = result;
    return step;
  }

  void finish_handshake(ConnectionId id, int certificates, std::optional<int> verify_code) {
    HandshakeStep step = step_of(id, 1);
    step.verify_code = verify_code;
    step.certificates = static_cast<std::uint32_t>(certificates);
    give(step);
  }

  ConnectionId verified_client(std::uint16_t port, const std::string& name) {
    const ConnectionId id = tls_client(port);
    give(PeerCertificate{++now_ns, {kNginx, kNginx}, id, 1, 0, leaf(name)});
    finish_handshake(id, 1, 0);
    return id;
  }

  ConnectionId client_without_certificate(std::uint16_t port, const ClientHello& client_hello = {}) {
    const ConnectionId id = tls_client(port, client_hello);
    finish_handshake(id, 0, std::nullopt);
    return id;
  }

  ConnectionId plaintext_client(std::uint16_t port) {
    const ConnectionId id = connection(kNginx, Role::kIngress, tcp("10.0.0.1", 80), tcp("203.0.113.9", port));
    give(ConnectionBegan{++now_ns, id, FirstBytes::kHttp1});
    return id;
  }

  /// nginx's end and Django's end of one upstream connection.
  std::pair<ConnectionId, ConnectionId> upstream(std::uint16_t port) {
    const Endpoint nginx = tcp("127.0.0.1", port), django = tcp("127.0.0.1", 8000);
    const ConnectionId connected = connection(kNginx, Role::kEgress, nginx, django);
    return {connected, connection(kDjango, Role::kIngress, django, nginx)};
  }

  Turn turn(std::uint32_t pid, ConnectionId id, bool is_send, std::uint64_t ordinal, std::uint64_t position) {
    Turn turn;
    turn.time_ns = ++now_ns;
    turn.actor = {pid, pid};
    turn.id = id;
    turn.is_send = is_send;
    turn.first_of_turn = true;
    turn.turn = ordinal;
    turn.position = position;
    return turn;
  }
  void receive(ConnectionId id, std::uint64_t ordinal, std::uint64_t position) {
    give(turn(kNginx, id, false, ordinal, position));
  }
  void send(ConnectionId id, std::uint64_t ordinal, std::uint64_t position, Witness witness) {
    Turn event = turn(kNginx, id, true, ordinal, position);
    event.witness = witness;
    give(event);
  }

  /// A send that no request asked for: a farewell, an answer that goes on.
  void send_more(ConnectionId id, Witness witness) {
    Turn event = turn(kNginx, id, true, 1, 0);
    event.first_of_turn = false;
    event.witness = witness;
    give(event);
  }

  void request(ConnectionId backend, std::uint64_t position, const std::string& path = "/") {
    RequestSeen seen;
    seen.time_ns = ++now_ns;
    seen.actor = {kDjango, kDjango};
    seen.id = backend;
    seen.position = position;
    seen.head.state = HeadState::kComplete;
    seen.head.method = "GET";
    seen.head.path = path;
    give(seen);
  }
  void response(ConnectionId backend, int status = 200, bool first_of_turn = true) {
    give(ResponseSeen{++now_ns, {kDjango, kDjango}, backend, status, first_of_turn});
  }

  /// A request of which nothing but its way from the proxy to Django was seen.
  std::pair<ConnectionId, ConnectionId> ask_from(Witness request_witness) {
    const auto [connected, accepted] = upstream(5000);
    send(connected, 1, 7000, request_witness);
    request(accepted, 7000);
    response(accepted);
    return {connected, accepted};
  }

  /// Who may have asked, once nothing more is waited for.
  std::vector<ConnectionId> candidates() {
    pass(2'100 * kMs);
    EXPECT_EQ(settled().provenance.attribution.method, "candidates");
    std::vector<ConnectionId> ids;
    for (const Origin& origin : settled().provenance.origins) ids.push_back(origin.id);
    return ids;
  }

  /// The only exchange settled so far; a failure and an empty one if there are more or fewer.
  const SettledExchange& settled() {
    static const SettledExchange kNone;
    EXPECT_EQ(out.exchanges.size(), 1u);
    return out.exchanges.size() == 1 ? out.exchanges.front() : kNone;
  }

  Correlator correlator;
  Findings out;
  std::uint64_t now_ns = 1'000'000'000;

 private:
  ConnectionId next_id_ = 100;
};

}  // namespace mtlswatch
