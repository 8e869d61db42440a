// SPDX-License-Identifier: Apache-2.0
#include "userspace/kubernetes/pod_stream.h"

namespace mtlswatch {

PodStream::State PodStream::take(std::string_view bytes) {
  while (state_ == State::kGoing && !bytes.empty()) {
    const auto end = bytes.find('\n');
    const std::string_view part = bytes.substr(0, end);
    if (rest_.size() + part.size() > kLineBytes) return state_ = broken("an event of the watch is too long");
    rest_ += part;
    if (end == std::string_view::npos) return state_;
    bytes.remove_prefix(end + 1);
    if (rest_.find_first_not_of(" \r") != std::string::npos) state_ = read(rest_);
    rest_.clear();
  }
  return state_;
}

PodStream::State PodStream::read(std::string_view line) {
  auto change = read_pod_change(line, annotations_);
  if (!change) return broken(change.error().message);
  if (change->kind == PodChange::Kind::kError) return broken("the API server says: " + change->message);
  if (change->kind == PodChange::Kind::kExpired) {
    error_ = "the API server says: " + change->message;
    return State::kExpired;
  }
  resource_version_ = change->resource_version;
  ++changes_;
  if (change->kind == PodChange::Kind::kBookmark) return State::kGoing;
  has_news_ = true;
  if (change->kind == PodChange::Kind::kDeleted) pods_.remove(change->pod.uid);
  if (change->kind == PodChange::Kind::kPresent && !pods_.put(std::move(change->pod))) ++refused_;
  return State::kGoing;
}

PodStream::State PodStream::broken(std::string why) {
  error_ = std::move(why);
  return State::kBroken;
}

}  // namespace mtlswatch
