// SPDX-License-Identifier: Apache-2.0
#include "userspace/decode/client_content.h"

#include <algorithm>
#include <utility>

namespace mtlswatch {
namespace {

constexpr std::size_t kMostHead = MTLSWATCH_BACKEND_PREFIX_BYTES;
constexpr std::string_view kHeadEnd = "\r\n\r\n";

/// Of an unfinished head: nobody takes it for a finished one.
bool is_plain_so_far(std::string_view head) {
  for (std::size_t at = 0; at < head.size(); ++at) {
    const bool ends_line = head[at] == '\n', has_return = at > 0 && head[at - 1] == '\r';
    if (head[at] == '\0' || ends_line != has_return) return false;
  }
  return true;
}

}  // namespace

ContentRead ClientContent::become_odd() {
  *this = {};
  state_ = State::kOdd;
  ContentRead odd;
  odd.odd = true;
  return odd;
}

ContentRead ClientContent::read(std::uint64_t position, std::uint32_t length, std::string_view data) {
  ContentRead seen;
  if (state_ == State::kOdd || position < next_ || !pass(position - next_)) return become_odd();
  if (!take(data, seen)) return become_odd();
  const std::uint64_t hidden_bytes = length - data.size();
  if (!pass(hidden_bytes)) return become_odd();
  next_ = position + length;
  seen.more_unseen = hidden_bytes != 0;
  return seen;
}

/// Bytes that were read but are not known: of a body they may be. False: they were not.
bool ClientContent::pass(std::uint64_t hidden_bytes) {
  if (hidden_bytes == 0) return true;
  if (state_ != State::kBody || hidden_bytes > body_left_) return false;
  body_left_ -= hidden_bytes;
  if (body_left_ == 0) state_ = State::kHead;
  grams_.skip();
  return true;
}

bool ClientContent::take(std::string_view data, ContentRead& seen) {
  grams_.feed(data, seen.grams);
  if (state_ == State::kHead && !take_head(data, seen)) return false;
  if (state_ != State::kBody) return true;
  if (data.size() > body_left_) return false;
  body_left_ -= data.size();
  if (body_left_ == 0) state_ = State::kHead;
  return true;
}

/// Leaves in data what stands behind the head. False: nobody knows what this is.
bool ClientContent::take_head(std::string_view& data, ContentRead& seen) {
  const std::size_t searched = head_.size() < kHeadEnd.size() ? 0 : head_.size() - kHeadEnd.size();
  head_ += data;
  const auto end = head_.find(kHeadEnd, searched);
  if (end == std::string::npos) return head_.size() < kMostHead && is_plain_so_far(head_);
  const std::size_t size = end + kHeadEnd.size();
  auto print = size <= kMostHead ? print_head(std::string_view(head_).substr(0, size)) : std::nullopt;
  data.remove_prefix(data.size() - (head_.size() - size));
  head_ = {};
  if (!print || print->is_chunked) return false;
  body_left_ = print->body_bytes;
  if (body_left_ == 0 && !data.empty()) return false;
  if (body_left_ != 0) state_ = State::kBody;
  seen.head = std::make_shared<const HeadPrint>(std::move(*print));
  return true;
}

ContentRead ClientContents::read(const mtlswatch_content& record, std::string_view data) {
  const bool is_full = connections_.size() >= kMost && !connections_.contains(record.cookie);
  ContentRead seen;
  seen.odd = is_full;
  if (!is_full) seen = connections_[record.cookie].read(record.position, record.length, data);
  seen.time_ns = record.header.time_ns;
  seen.actor = {record.header.pid, record.header.tid};
  seen.id = record.cookie;
  return seen;
}

}  // namespace mtlswatch
