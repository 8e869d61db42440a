// SPDX-License-Identifier: Apache-2.0
#include "userspace/probe/discovery.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "userspace/probe/process_rules.h"

namespace mtlswatch {
namespace {

constexpr int kGenerations = 32;  // of masters above a worker
constexpr std::size_t kEmbeddedEntries = 4096;

using SocketName = std::pair<std::uint32_t, Endpoint>;  // network namespace, address

}  // namespace

/// One pass over the rules, with one configuration and one set of listeners.
class Discovery::Judgement {
 public:
  Judgement(Discovery& discovery, const Config& config, const std::vector<Listener>& listeners);

  /// The entry's facts with every conclusion.
  ProcessFacts judge(const ProcessEntry& entry);
  /// Of facts that judge() returned.
  bool is_interesting(const ProcessEntry& entry, const ProcessFacts& facts) const;
  bool listens(const ProcessEntry& entry) const { return by_pid_.contains(entry.facts.pid); }

 private:
  struct Claim {
    std::string backend;
    std::vector<DetectionClue> clues;
    bool configured = false;
  };
  using Rows = std::vector<const Listener*>;

  const Rows& rows(std::uint32_t pid) const;
  ProcessFacts with_listeners(const ProcessEntry& entry) const;
  const Claim& own_claim(const ProcessEntry& entry);
  Claim inherited_claim(const ProcessEntry& entry);
  Claim shared_claim(const ProcessEntry& entry);
  Claim best_claim(const ProcessEntry& entry);
  FrontEvidence front_evidence(const ProcessEntry& entry) const;
  bool is_host_file(const ProcessEntry& entry) const;
  bool tree_listens(const ProcessEntry& entry) const;

  Discovery& discovery_;
  const Config& config_;
  std::unordered_map<std::uint32_t, Rows> by_pid_;
  std::map<SocketName, std::vector<std::uint32_t>> holders_;
  std::unordered_map<std::uint32_t, Claim> own_claims_;
};

Discovery::Judgement::Judgement(Discovery& discovery, const Config& config, const std::vector<Listener>& listeners)
    : discovery_(discovery), config_(config) {
  for (const Listener& listener : listeners) {
    by_pid_[listener.pid].push_back(&listener);
    holders_[{listener.netns, listener.endpoint}].push_back(listener.pid);
  }
}

const Discovery::Judgement::Rows& Discovery::Judgement::rows(std::uint32_t pid) const {
  static const Rows kNone;
  const auto found = by_pid_.find(pid);
  return found == by_pid_.end() ? kNone : found->second;
}

ProcessFacts Discovery::Judgement::with_listeners(const ProcessEntry& entry) const {
  ProcessFacts facts = entry.facts;
  for (const Listener* listener : rows(facts.pid)) facts.listeners.push_back(listener->endpoint);
  std::sort(facts.listeners.begin(), facts.listeners.end());
  facts.listeners.erase(std::unique(facts.listeners.begin(), facts.listeners.end()), facts.listeners.end());
  return facts;
}

/// What the process is by itself: configured, or detected and listening.
const Discovery::Judgement::Claim& Discovery::Judgement::own_claim(const ProcessEntry& entry) {
  const auto [position, is_new] = own_claims_.try_emplace(entry.facts.pid);
  Claim& claim = position->second;
  if (!is_new) return claim;
  const ProcessFacts facts = with_listeners(entry);
  const auto configured = configured_backend(config_.backends, facts, entry.command_line, discovery_.pods_);
  if (!configured.name.empty()) {
    claim = Claim{configured.name, {{kDjangoScore, configured.reason}}, true};
  } else if (!facts.listeners.empty()) {
    const DjangoDetection& detection = discovery_.detection(entry, facts.listeners);
    claim = Claim{detection.detected() ? detection.backend : "", detection.clues, false};
  }
  return claim;
}

/// A worker is what its master is.
Discovery::Judgement::Claim Discovery::Judgement::inherited_claim(const ProcessEntry& entry) {
  const ProcessEntry* master = discovery_.table_.master_of(entry);
  for (int generation = 0; master != nullptr && generation < kGenerations; ++generation) {
    const Claim& claim = own_claim(*master);
    const std::string reason = "worker of process " + std::to_string(master->facts.pid);
    if (!claim.backend.empty()) return Claim{claim.backend, {{kDjangoScore, reason}}, claim.configured};
    master = discovery_.table_.master_of(*master);
  }
  return {};
}

/// Who accepts on a backend's own socket serves that backend.
Discovery::Judgement::Claim Discovery::Judgement::shared_claim(const ProcessEntry& entry) {
  if (holds_sockets_for_others(entry.facts.executable)) return {};
  for (const Listener* listener : rows(entry.facts.pid)) {
    for (const std::uint32_t pid : holders_[{listener->netns, listener->endpoint}]) {
      const ProcessEntry* holder = discovery_.table_.find(pid);
      if (holder == nullptr || holder == &entry) continue;
      const Claim& claim = own_claim(*holder);
      const std::string reason = "shares " + listener->endpoint.text() + " with process " + std::to_string(pid);
      if (!claim.backend.empty()) return Claim{claim.backend, {{kDjangoScore, reason}}, claim.configured};
    }
  }
  return {};
}

/// What the configuration says of the process, its masters or its socket wins over what was detected.
Discovery::Judgement::Claim Discovery::Judgement::best_claim(const ProcessEntry& entry) {
  Claim best = own_claim(entry);
  if (best.configured) return best;
  for (const Claim& other : {inherited_claim(entry), shared_claim(entry)}) {
    if (other.configured) return other;
    if (best.backend.empty() && !other.backend.empty()) best = other;
  }
  return best;
}

FrontEvidence Discovery::Judgement::front_evidence(const ProcessEntry& entry) const {
  FrontEvidence evidence;
  const ProcessEntry* holder = &entry;
  for (int generation = 0; holder != nullptr && generation < kGenerations; ++generation) {
    for (const Listener* listener : rows(holder->facts.pid)) {
      evidence.listens = true;
      evidence.system_listener |= is_system_uid(listener->uid);
    }
    holder = discovery_.table_.master_of(*holder);
  }
  evidence.host_file = is_host_file(entry);
  return evidence;
}

/// Whether a configured front's executable is the file that the host has under that path. Process 1 shows the host's
/// files, also to an agent in a container.
bool Discovery::Judgement::is_host_file(const ProcessEntry& entry) const {
  const std::string& path = entry.facts.executable;
  const bool named = std::any_of(config_.fronts.begin(), config_.fronts.end(),
                                 [&](const FrontConfig& front) { return front.executable == path; });
  struct ::stat file {};
  if (!named || ::stat((discovery_.table_.reader().path(1, "root") + path).c_str(), &file) != 0) return false;
  return FileIdentity{file.st_dev, file.st_ino} == entry.executable;
}

ProcessFacts Discovery::Judgement::judge(const ProcessEntry& entry) {
  ProcessFacts facts = with_listeners(entry);
  const Claim claim = best_claim(entry);
  facts.backend = claim.backend;
  facts.clues = claim.clues;
  const FrontEvidence evidence = front_evidence(entry);
  const FrontJudged judged = judge_front(config_.fronts, facts, evidence);
  facts.front = judged.front;
  facts.front_reason = judged.reason;
  facts.known_proxy = known_proxy(facts);
  if (evidence.listens || !facts.backend.empty()) {
    const Findings& tls = discovery_.tls(entry);
    if (!tls.blind_reason.empty()) facts.tls_coverage = "blind";
    facts.tls_coverage_reason = tls.blind_reason;  // what is linked in and cannot be probed at all
  }
  return facts;
}

bool Discovery::Judgement::tree_listens(const ProcessEntry& entry) const {
  const ProcessEntry* holder = &entry;
  for (int generation = 0; holder != nullptr && generation < kGenerations; ++generation) {
    if (listens(*holder)) return true;
    holder = discovery_.table_.master_of(*holder);
  }
  return false;
}

bool Discovery::Judgement::is_interesting(const ProcessEntry& entry, const ProcessFacts& facts) const {
  if (!facts.backend.empty()) return true;
  return tree_listens(entry) && (facts.front || !facts.known_proxy.empty() || discovery_.may_end_tls(facts.pid));
}

Discovery::Discovery(ProcReader reader) : table_(std::move(reader)) {}

std::vector<ProcessFacts> Discovery::scan(const Config& config, const std::vector<Listener>& listeners) {
  table_.refresh();
  std::erase_if(findings_, [&](const auto& item) { return table_.find(item.first) == nullptr; });
  Judgement judgement(*this, config, listeners);
  std::vector<ProcessFacts> interesting;
  for (const auto& [pid, entry] : table_.entries()) {
    ProcessFacts facts = judgement.judge(entry);
    const bool wanted = judgement.is_interesting(entry, facts);
    if (wanted || judgement.listens(entry)) table_.watch(pid);
    if (wanted) interesting.push_back(std::move(facts));
  }
  std::sort(interesting.begin(), interesting.end(), [](const auto& a, const auto& b) { return a.pid < b.pid; });
  return interesting;
}

std::optional<ProcessFacts> Discovery::examine(std::uint32_t pid, const Config& config,
                                               const std::vector<Listener>& listeners) {
  const ProcessEntry* entry = table_.refresh(pid);
  if (entry == nullptr) return std::nullopt;
  return Judgement(*this, config, listeners).judge(*entry);
}

std::vector<TlsLibrary> Discovery::tls_libraries(std::uint32_t pid) const {
  const auto found = findings_.find(pid);
  return found == findings_.end() ? std::vector<TlsLibrary>{} : found->second.libraries;
}

bool Discovery::may_end_tls(std::uint32_t pid) const {
  const auto found = findings_.find(pid);
  return found != findings_.end() && (found->second.is_unsupported || !found->second.libraries.empty());
}

bool Discovery::may_have_loaded(std::uint32_t pid) const {
  const auto found = findings_.find(pid);
  if (found == findings_.end() || !found->second.libraries.empty() || !found->second.tls_virtual_bytes) return false;
  const auto stat = table_.reader().stat(pid);
  return stat && stat->virtual_bytes != found->second.tls_virtual_bytes;
}

std::vector<TlsLibrary> Discovery::crypto_libraries(std::uint32_t pid) const {
  auto found = table_.reader().crypto_libraries(pid);
  return found ? std::move(*found) : std::vector<TlsLibrary>{};
}

Discovery::Findings& Discovery::findings(const ProcessEntry& entry) {
  Findings& findings = findings_[entry.facts.pid];
  if (findings.start_time_ticks != entry.facts.start_time_ticks || findings.image != entry.image) {
    findings = Findings{};
    findings.start_time_ticks = entry.facts.start_time_ticks;
    findings.image = entry.image;
  }
  return findings;
}

const DjangoDetection& Discovery::detection(const ProcessEntry& entry, const std::vector<Endpoint>& listeners) {
  Findings& known = findings(entry);
  if (known.django && known.django_listeners == listeners) return *known.django;
  const ProcessEntry* parent = table_.find(entry.facts.parent_pid);
  known.django = detect_django(table_.reader(), {entry.facts.pid, entry.facts.executable, entry.command_line,
                                                 parent == nullptr ? "" : parent->command_line});
  known.django_listeners = listeners;
  return *known.django;
}

/// The libraries of a process that listens, or the reason why it cannot be seen into.
const Discovery::Findings& Discovery::tls(const ProcessEntry& entry) {
  Findings& known = findings(entry);
  if (known.tls_virtual_bytes == entry.virtual_bytes) return known;
  known.tls_virtual_bytes = entry.virtual_bytes;
  known.blind_reason.clear();
  known.is_unsupported = false;
  const auto libraries = table_.reader().tls_libraries(entry.facts.pid);
  known.libraries = libraries ? *libraries : std::vector<TlsLibrary>{};
  if (!libraries) known.blind_reason = libraries.error().message;
  if (!libraries || !known.libraries.empty() || entry.executable == FileIdentity{}) return known;
  const EmbeddedTls embedded = embedded_tls(entry, known.blind_reason);
  known.is_unsupported = !blindness_reason(embedded).empty();
  if (embedded == EmbeddedTls::kOpenssl) {
    known.libraries.push_back({table_.reader().path(entry.facts.pid, "exe"), entry.executable.device,
                               entry.executable.inode, entry.facts.executable});
  }
  return known;
}

EmbeddedTls Discovery::embedded_tls(const ProcessEntry& entry, std::string& blind_reason) {
  const auto cached = embedded_.find(entry.executable);
  EmbeddedTls embedded = cached == embedded_.end() ? EmbeddedTls::kNone : cached->second;
  if (cached == embedded_.end()) {
    const auto found = find_embedded_tls(table_.reader().path(entry.facts.pid, "exe"));
    if (!found) {
      blind_reason = found.error().message;
      return EmbeddedTls::kNone;
    }
    embedded = *found;
    if (embedded_.size() >= kEmbeddedEntries) embedded_.clear();
    embedded_[entry.executable] = embedded;
  }
  blind_reason = blindness_reason(embedded);
  return embedded;
}

}  // namespace mtlswatch
