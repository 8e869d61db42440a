// SPDX-License-Identifier: Apache-2.0
#include "userspace/sink/identity_table.h"

#include <algorithm>
#include <tuple>

namespace mtlswatch {
namespace {

constexpr std::size_t kShownBytes = 256;  ///< of a name; a certificate may say anything

std::string shown(const std::string& text) {
  return text.size() > kShownBytes ? text.substr(0, kShownBytes) + "..." : text;
}

std::string name_of(const Certificate& certificate) {
  if (!certificate.subject.common_name.empty()) return certificate.subject.common_name.front();
  if (!certificate.alternative_names.empty()) return certificate.alternative_names.front();
  return certificate.subject.text;
}

}  // namespace

void IdentityTable::note(const Report& report) {
  if (capacity_ == 0) return;
  if (const auto* request = std::get_if<RequestReport>(&report)) note_request(*request);
  if (const auto* handshake = std::get_if<HandshakeReport>(&report)) note_handshake(*handshake);
}

IdentitySeen& IdentityTable::row(const Certificate& certificate, std::uint64_t time_ns) {
  std::string key = certificate.subject.text + '\n' + certificate.issuer.text;
  const auto known = index_.find(key);
  if (known != index_.end()) {
    rows_.splice(rows_.begin(), rows_, known->second);
  } else {
    if (rows_.size() >= capacity_) {
      index_.erase(rows_.back().first);
      rows_.pop_back();
      ++evicted_;
    }
    rows_.emplace_front(std::move(key), IdentitySeen{});
    index_.emplace(rows_.front().first, rows_.begin());
    IdentitySeen& seen = rows_.front().second;
    seen.common_name = shown(name_of(certificate));
    seen.subject = shown(certificate.subject.text);
    seen.issuer = shown(certificate.issuer.text);
    seen.first_seen_ns = time_ns;
  }
  IdentitySeen& seen = rows_.front().second;
  seen.last_seen_ns = std::max(seen.last_seen_ns, time_ns);
  seen.not_after_s = certificate.not_after_s;
  return seen;
}

void IdentityTable::note_handshake(const HandshakeReport& report) {
  const Session& session = report.session;
  if (session.chain.empty() || !session.chain.front().parsed) return;
  IdentitySeen& seen = row(session.chain.front(), report.time_ns);
  const bool is_accepted = report.outcome == "success" && session.verify_code.value_or(0) == 0;
  ++(is_accepted ? seen.handshakes : seen.handshakes_rejected);
}

void IdentityTable::note_request(const RequestReport& report) {
  if (report.verdict != Verdict::kAuthenticated || !report.certificate || !report.certificate->parsed) return;
  IdentitySeen& seen = row(*report.certificate, report.time_ns);
  ++seen.requests;
  seen.service = report.backend;
}

std::vector<IdentitySeen> IdentityTable::top(std::size_t count) const {
  std::vector<IdentitySeen> all;
  for (const auto& [key, seen] : rows_) all.push_back(seen);
  const auto by_weight = [](const IdentitySeen& a, const IdentitySeen& b) {
    const auto weight = [](const IdentitySeen& seen) {
      return std::tuple(seen.requests, seen.handshakes, seen.handshakes_rejected);
    };
    return weight(a) != weight(b) ? weight(a) > weight(b) : a.subject < b.subject;
  };
  const std::size_t kept = std::min(count, all.size());
  std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(kept), all.end(), by_weight);
  all.resize(kept);
  return all;
}

std::map<std::string, std::int64_t> IdentityTable::soonest_expiry_s(std::uint64_t since_ns) const {
  std::map<std::string, std::int64_t> soonest;
  for (const auto& [key, seen] : rows_) {
    if (seen.last_seen_ns < since_ns) break;  // seen last first
    if (seen.service.empty()) continue;
    const auto [entry, is_new] = soonest.emplace(seen.service, seen.not_after_s);
    if (!is_new) entry->second = std::min(entry->second, seen.not_after_s);
  }
  return soonest;
}

}  // namespace mtlswatch
