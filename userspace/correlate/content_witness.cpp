// SPDX-License-Identifier: Apache-2.0
#include "userspace/correlate/content_witness.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace mtlswatch {
namespace {

using Digests = std::unordered_set<std::uint64_t>;

/// All that a client sent and proxies pass on is in it.
bool carries(const Digests& request, const HeadPrint& head) {
  return std::all_of(head.fields.begin(), head.fields.end(),
                     [&](const FieldPrint& field) { return !field.is_passed_on || request.contains(field.digest); });
}

/// A part of the value is enough: a proxy may have put it together. A fifth, since values have common beginnings.
bool may_contain(const std::vector<Gram>& all, const std::vector<Gram>& value) {
  const auto shared = std::count_if(value.begin(), value.end(), [&](Gram gram) { return std::binary_search(all.begin(), all.end(), gram); });
  return 5 * static_cast<std::size_t>(shared) >= value.size();
}

bool sent_field(const ToldContent& content, std::uint64_t digest) {
  return std::any_of(content.heads.begin(), content.heads.end(), [digest](const ToldHead& head) {
    const auto& fields = head.print->fields;
    return std::any_of(fields.begin(), fields.end(), [digest](const FieldPrint& field) { return field.digest == digest; });
  });
}

/// No head that was there at that time has been forgotten since.
bool remembers(const ToldContent& content, std::uint64_t time_ns) {
  return content.heads.size() < ToldContent::kHeads || content.heads.front().time_ns <= time_ns;
}

}  // namespace

void ContentWitness::need(std::uint32_t pid, std::uint64_t time_ns) { needs_[pid] = std::max(needs_[pid], time_ns); }

std::set<std::uint32_t> ContentWitness::in_need() const {
  std::set<std::uint32_t> pids;
  for (const auto& [pid, time_ns] : needs_) pids.insert(pid);
  return pids;
}

void ContentWitness::on_handshake(Connection& client, const HandshakeStep& event) {
  const bool is_whole = !client.opened.predates_agent && !client.touched_by_loss && !client.follows_loss && !event.conflict;
  const bool begins = event.content_told && event.driver == HandshakeDriver::kRead && client.session.state != SessionState::kEstablished;
  if (!begins || !is_whole || client.role != Role::kIngress || !needs_.contains(event.actor.pid)) return;
  if (client.content.told_by == event.actor.pid) return;
  client.content = {};
  client.content.told_by = event.actor.pid;
  processes_.try_emplace(event.actor.pid);
}

void ContentWitness::on_read(const ContentRead& event) {
  Connection* client = connections_.find(event.id);
  if (!client || client->content.told_by != event.actor.pid || client->content.is_odd) return;
  ToldContent& content = client->content;
  // Behind its end somebody else may have an SSL object of the same address.
  if (event.odd || client->closed_ns != 0) return stop_following(content);
  content.more_unseen = event.more_unseen;
  if (event.head) content.heads.push_back({event.time_ns, client->receive_turn_position, event.head});
  if (content.heads.size() > ToldContent::kHeads) content.heads.pop_front();
  add_grams(content, event.grams);
}

void ContentWitness::add_grams(ToldContent& content, const std::vector<Gram>& grams) {
  std::vector<Gram>& all = content.grams;
  const auto before = static_cast<std::ptrdiff_t>(all.size());
  all.insert(all.end(), grams.begin(), grams.end());
  std::sort(all.begin() + before, all.end());
  std::inplace_merge(all.begin(), all.begin() + before, all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  grams_ += all.size() - static_cast<std::size_t>(before);
  if (all.size() > kGramsOfOne || grams_ > kGramsOfAll) stop_following(content);
}

void ContentWitness::stop_following(ToldContent& content) {
  grams_ -= std::min(grams_, content.grams.size());
  const std::uint32_t told_by = content.told_by;
  content = {};
  content.told_by = told_by;
  content.is_odd = true;
}

void ContentWitness::on_loss() {
  connections_.for_each([&](Connection& connection) {
    if (connection.content.told_by != 0) stop_following(connection.content);
  });
}

void ContentWitness::sweep(std::uint64_t now_ns) {
  for (auto entry = needs_.begin(); entry != needs_.end();) {
    if (now_ns <= entry->second + kNeedNs) {
      ++entry;
      continue;
    }
    processes_.erase(entry->first);
    entry = needs_.erase(entry);
  }
  grams_ = 0;
  connections_.for_each([&](Connection& connection) {
    ToldContent& content = connection.content;
    if (content.told_by != 0 && !needs_.contains(content.told_by)) content = {};
    grams_ += content.grams.size();
  });
}

void ContentWitness::forget(std::uint32_t pid) {
  needs_.erase(pid);
  processes_.erase(pid);
}

bool ContentWitness::is_told(const Connection& client, std::uint32_t pid) const {
  return client.content.told_by == pid && client.owner_pid == pid;
}

std::optional<ContentWitness::Client> ContentWitness::client_of(const Request& request, const MayHaveAsked& may_have_asked) {
  const auto process = processes_.find(request.pid);
  if (process == processes_.end() || request.head.fields.empty()) return std::nullopt;
  learn_made(request, may_have_asked);
  Digests digests;
  for (const FieldPrint& field : request.head.fields) digests.insert(field.digest);
  const Match match = only_match(request, digests);
  if (!match.client) return std::nullopt;
  const auto& fields = match.head->print->fields;
  const bool is_proved = std::any_of(fields.begin(), fields.end(), [&](const FieldPrint& field) {
    return !field.grams.empty() && digests.contains(field.digest) && !process->second.has_made(field.digest) &&
           is_own(field.grams, request, match.client->opened.id, may_have_asked);
  });
  if (!is_proved) return std::nullopt;
  return Client{match.client->opened.id, match.head->position};
}

/// The newest head that was read before the request was sent and that this request carries, if one client's alone.
ContentWitness::Match ContentWitness::only_match(const Request& request, const Digests& digests) const {
  Match match;
  for (const ConnectionId id : connections_.ingress_of(request.pid)) {
    const Connection* client = connections_.find(id);
    if (!client || !is_told(*client, request.pid)) continue;
    const auto& heads = client->content.heads;
    const auto head = std::find_if(heads.rbegin(), heads.rend(), [&](const ToldHead& one) {
      return one.time_ns <= request.sent_ns && one.print->method == request.head.method && carries(digests, *one.print);
    });
    if (head == heads.rend()) continue;
    if (match.client) return {};
    match = {client, &*head};
  }
  return match;
}

/// Nobody else has sent this value. Whoever was told of counts also after he is gone: what he asked may have waited.
bool ContentWitness::is_own(const std::vector<Gram>& value, const Request& request, ConnectionId client,
                            const MayHaveAsked& may_have_asked) const {
  const auto has_not_sent = [&](ConnectionId id) {
    const Connection* other = connections_.find(id);
    if (!other || id == client) return true;
    if (!is_told(*other, request.pid)) return !may_have_asked(*other);
    return !other->content.more_unseen && !other->content.is_odd && !may_contain(other->content.grams, value);
  };
  const auto& asking = connections_.ingress_of(request.pid);
  const auto& undecided = connections_.undecided_of(request.pid);
  return !connections_.forgot_ingress_of(request.pid) && std::all_of(asking.begin(), asking.end(), has_not_sent) &&
         std::all_of(undecided.begin(), undecided.end(), has_not_sent);
}

/// Fields that this request has and no client's head had.
void ContentWitness::learn_made(const Request& request, const MayHaveAsked& may_have_asked) {
  std::vector<const ToldContent*> clients;
  for (const ConnectionId id : connections_.ingress_of(request.pid)) {
    const Connection* client = connections_.find(id);
    if (!client) continue;
    const bool told = is_told(*client, request.pid);
    if (told ? client->content.is_odd || !remembers(client->content, request.sent_ns) : may_have_asked(*client)) return;
    if (told) clients.push_back(&client->content);
  }
  Told& process = processes_[request.pid];
  for (const FieldPrint& field : request.head.fields) {
    const auto has_sent = [&](const ToldContent* content) { return sent_field(*content, field.digest); };
    if (!field.grams.empty() && std::none_of(clients.begin(), clients.end(), has_sent)) process.made.insert(field.digest);
  }
  if (process.made.size() >= kMade) process.made_before = std::exchange(process.made, {});
}

void ContentWitness::compare(UpstreamTurn& turn, ConnectionId client, std::uint32_t pid) {
  if (std::exchange(turn.content_compared, true)) return;
  const auto& answered = turn.response_witnesses;
  const auto is_answered = [&](ConnectionId id) {
    return std::any_of(answered.begin(), answered.end(), [id](const auto& witness) { return witness.valid && witness.id == id; });
  };
  const ConnectionId asked = turn.request_witness.id;
  if (asked == client || is_answered(client)) {
    ++processes_[pid].agreements;
  } else if (asked != 0 && is_answered(asked)) {
    ++processes_[pid].contradictions;
  }
}

void ContentWitness::contradict(std::uint32_t pid) { ++processes_[pid].contradictions; }

bool ContentWitness::is_trusted(std::uint32_t pid) const {
  const auto entry = processes_.find(pid);
  return entry != processes_.end() && entry->second.agreements >= kAgreements && entry->second.agreements >= 16 * entry->second.contradictions;
}

std::optional<WitnessTrust> ContentWitness::trust(std::uint32_t pid) const {
  const auto entry = processes_.find(pid);
  if (entry == processes_.end()) return std::nullopt;
  const auto& [agreements, contradictions, made, made_before] = entry->second;
  const char* distrusted = contradictions != 0 && agreements + contradictions >= kAgreements ? "contradicted" : "not yet";
  return WitnessTrust{is_trusted(pid) ? "believed" : distrusted, agreements, contradictions};
}

}  // namespace mtlswatch
