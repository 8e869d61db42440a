// SPDX-License-Identifier: Apache-2.0
// Records of traffic made at random, with secrets in it ("Z~Z") that no recording may hold.
#pragma once

#include <random>
#include <string>

#include "tests/unit/builders/records.h"
#include "tests/unit/builders/uwsgi.h"

namespace mtlswatch::test {

using std::string_literals::operator""s;

/// Random traffic of a few connections: whole and broken requests, cut, lost and pipelined at random.
class RandomTraffic {
 public:
  explicit RandomTraffic(unsigned seed) : random_(seed) {}

  RawRecord next() {
    const std::size_t which = below(kConnections);
    Connection& connection = connections_[which];
    if (!connection.open || below(60) == 0) return open(which);
    if (below(4) == 0) return send(which);
    return receive(which);
  }

 private:
  static constexpr std::size_t kConnections = 6;
  struct Connection {
    bool open = false;
    std::uint32_t backend = 0;
    std::uint64_t cookie = 0, position = 0, turn = 0;
    bool turned = true;
    std::string pending = {};
  };

  std::size_t below(std::size_t limit) { return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random_); }
  std::string pick(std::initializer_list<std::string> choices) { return *(choices.begin() + below(choices.size())); }

  RawRecord open(std::size_t which) {
    Connection& connection = connections_[which];
    connection = {.open = true, .cookie = ++cookies_, .position = below(2) ? 0xffffff80u : 1000};
    connection.backend = below(3) != 0 ? MTLSWATCH_IO_BACKEND : 0;
    const auto role = static_cast<std::uint8_t>(below(5) == 0 ? below(4) : std::size_t{MTLSWATCH_ROLE_INGRESS});
    const auto flags = static_cast<std::uint8_t>(below(5) == 0 ? MTLSWATCH_CONNECTION_PREDATES : 0);
    return connection_record({.cookie = connection.cookie,
                                    .role = role,
                                    .flags = flags,
                                    .family = static_cast<std::uint16_t>(below(4) == 0 ? AF_UNIX : AF_INET)});
  }

  RawRecord send(std::size_t which) {
    Connection& connection = connections_[which];
    connection.turned = true;
    const std::string data = pick(
        {"HTTP/1.1 200 OK\r\n", "HTTP/1.1 100 Cont", "HTTP/1.1 Z~Z~Z~Z", "", "HTTP/1.1 101 Swit", "HTTP/1.0 404 Not "});
    const std::uint32_t turn = below(3) != 0 ? MTLSWATCH_IO_TURN : 0;
    return io_record({.cookie = connection.cookie,
                            .flags = connection.backend | MTLSWATCH_IO_SEND | turn,
                            .data = std::string_view(data).substr(0, 16),
                            .length = 20,
                            .time_ns = ++time_ns_});
  }

  RawRecord receive(std::size_t which) {
    Connection& connection = connections_[which];
    while (connection.pending.size() < 200) connection.pending += message();
    const std::size_t length =
        1 + (below(2) ? below(20) : below(std::min<std::size_t>(connection.pending.size(), 2048)));
    const std::size_t captured = below(12) == 0 ? below(length) : length;
    const std::uint32_t turn = connection.turned ? MTLSWATCH_IO_TURN : 0;
    const std::uint32_t cut = below(30) == 0 ? MTLSWATCH_IO_CUT : 0;
    if (turn != 0) ++connection.turn;
    connection.turned = false;
    auto record = io_record({.cookie = connection.cookie,
                                   .position = connection.position,
                                   .turn = connection.turn,
                                   .flags = connection.backend | turn | cut,
                                   .data = std::string_view(connection.pending).substr(0, captured),
                                   .length = static_cast<std::uint32_t>(length),
                                   .time_ns = ++time_ns_});
    connection.position += length;
    connection.pending.erase(0, length);
    if (below(40) == 0) {  // a receive of which nothing is told
      const std::size_t lost = below(connection.pending.size() + 1);
      connection.position += lost;
      connection.pending.erase(0, lost);
    }
    return record;
  }

  std::string message() {
    const std::string end = below(8) == 0 ? "\n" : "\r\n";
    std::string head = pick({"GET", "POST", "PROPFIND", "\r\nPUT"}) + " " +
                       pick({"/a", "/long/path/x;y", "*", "/\x80"}) + pick({"", "?Z~Z~Z~Z~", "?", "?Z~?Z~"}) +
                       " HTTP/1.1" + end;
    if (below(12) == 0) {
      head = pick({"GET", "GE T", "", "PRI"}) + " " + pick({"/a", "h:1", "", "/b c", "/tab\t", "*"}) + " " +
             pick({"HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/1.1 "}) + end;
    }
    for (std::size_t i = below(6); i > 0; --i) {
      head += pick({"Host: a.B:80", "Cookie: Z~Z~Z~Z~Z~", "Authorization: Z~ Z~Z~Z~", "x_ssl_client_verify: SUCCESS",
                    "Client-Cert:\t:abc:", "X-Request-ID: id", "X-Empty:", " folded", "Cookie: Z~Z~\r\n Z~Z~Z~",
                    "bad name: Z~Z~", "Content-Length: 0", "X-SSL-Client-Verify: a\r\n b",
                    "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}) +
              end;
    }
    const std::string body(1 + below(60), 'Z');
    switch (below(5)) {
      case 0:
        return head + "Content-Length: " + std::to_string(body.size()) + end + end + body;
      case 1:
        return head + "Transfer-Encoding: chunked" + end + end + "A;Z~Z~\r\nZ~Z~Z~Z~Z~\r\n0" + end +
               pick({"", "T: Z~Z~Z~" + end}) + end;
      case 2:
        return below(3) != 0 ? head + end
                             : pick({head, "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"s,
                                     "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x04Z~Z~"s, "PROXY TCP4 Z~Z~\r\n", "\0\x10\0\0"s});
      case 3:
        return uwsgi_message() + body;
      default:
        return head + end;
    }
  }

  std::string uwsgi_message() {
    UwsgiVariables variables;
    for (std::size_t i = 1 + below(8); i > 0; --i) {
      const std::string name = pick({"REQUEST_METHOD", "REQUEST_URI", "PATH_INFO", "SCRIPT_NAME", "CONTENT_LENGTH", "HTTP_HOST",
                                     "HTTP_X_REQUEST_ID", "HTTP_X_SSL_CLIENT_VERIFY", "CLIENT_CERT", "SERVER_PROTOCOL"});
      const std::string secret = pick({"QUERY_STRING", "HTTP_COOKIE", "HTTP_AUTHORIZATION", "REMOTE_USER", "bad name"});
      variables.emplace_back(name, pick({"GET", "/a", "7", "", "HTTP/1.1", "a.B:80", "http://h/p"}));
      if (below(3) == 0) variables.emplace_back(secret, "Z~Z~Z~");
      if (below(3) == 0) variables.emplace_back("REQUEST_URI", "/a?Z~Z~Z");
    }
    std::string packet = uwsgi_packet(variables, below(6) == 0 ? '\x1e' : '\0');
    if (below(6) == 0) packet[below(packet.size())] = static_cast<char>(below(256));
    return packet;
  }

  std::mt19937 random_;
  Connection connections_[kConnections];
  std::uint64_t cookies_ = 0;
  std::uint64_t time_ns_ = 0;
};

}  // namespace mtlswatch::test
