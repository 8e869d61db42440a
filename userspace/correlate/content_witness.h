// SPDX-License-Identifier: Apache-2.0
// Whose request a process sends upstream, told by what it has read from its clients: for a process whose sockets leave it
// open. The argument: the request carries every passed-on field of one client's head, among them a value that is somebody's
// own by its meaning (a cookie, a trace id), and that no other client of the process ever sent, in any spelling. So it is not
// theirs; and a value that the process adds by itself shows when it sends that for clients who never had it.
// Whoever's bytes are not known in full from the first one on may have sent anything.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "userspace/correlate/connections.h"
#include "userspace/model/process.h"

namespace mtlswatch {

class ContentWitness {
 public:
  explicit ContentWitness(Connections& connections) : connections_(connections) {}

  /// Several clients may have asked this process, and nothing told which one did.
  void need(std::uint32_t pid, std::uint64_t time_ns);
  std::set<std::uint32_t> in_need() const;
  /// Whether any process tells what it reads: then requests are worth comparing.
  bool is_told() const { return !processes_.empty(); }

  /// Before the session's state changes.
  void on_handshake(Connection& client, const HandshakeStep& event);
  void on_read(const ContentRead& event);
  void on_loss();
  void sweep(std::uint64_t now_ns);
  void forget(std::uint32_t pid);

  /// A request as its backend read it, and when a process sent it.
  struct Request {
    const HeadPrint& head;
    std::uint32_t pid = 0;
    std::uint64_t sent_ns = 0;
  };
  struct Client {
    ConnectionId id = 0;
    std::uint64_t position = 0;  ///< where its turn began that the request came in
  };
  using MayHaveAsked = std::function<bool(const Connection&)>;
  /// The only client whose request this can be. may_have_asked: of those who were not told of.
  std::optional<Client> client_of(const Request& request, const MayHaveAsked& may_have_asked);
  /// The sockets name this client, or not, with what they say of the same turn. Counted once a turn.
  void compare(UpstreamTurn& turn, ConnectionId client, std::uint32_t pid);
  void contradict(std::uint32_t pid);
  bool is_trusted(std::uint32_t pid) const;
  /// Nothing: it tells nothing.
  std::optional<WitnessTrust> trust(std::uint32_t pid) const;

  static constexpr std::uint64_t kNeedNs = 600'000'000'000;  ///< so long after the last request that was in need
  static constexpr std::uint64_t kAgreements = 8;            ///< before a process is believed
  static constexpr std::size_t kGramsOfOne = 16384;          ///< fingerprints of a client; one with more may have sent anything
  static constexpr std::size_t kGramsOfAll = 1 << 20;

 private:
  struct Told {
    std::uint64_t agreements = 0;
    std::uint64_t contradictions = 0;
    std::unordered_set<std::uint64_t> made, made_before;  ///< digests of fields that it adds by itself, lately
    bool has_made(std::uint64_t digest) const { return made.contains(digest) || made_before.contains(digest); }
  };
  static constexpr std::size_t kMade = 2048;
  struct Match {
    const Connection* client = nullptr;
    const ToldHead* head = nullptr;
  };
  bool is_told(const Connection& client, std::uint32_t pid) const;
  Match only_match(const Request& request, const std::unordered_set<std::uint64_t>& digests) const;
  bool is_own(const std::vector<Gram>& value, const Request& request, ConnectionId client, const MayHaveAsked& may_have_asked) const;
  void learn_made(const Request& request, const MayHaveAsked& may_have_asked);
  void add_grams(ToldContent& content, const std::vector<Gram>& grams);
  void stop_following(ToldContent& content);

  Connections& connections_;
  std::unordered_map<std::uint32_t, std::uint64_t> needs_;  ///< when last
  std::unordered_map<std::uint32_t, Told> processes_;
  std::size_t grams_ = 0;  ///< of all clients, as of the last sweep and since
};

}  // namespace mtlswatch
