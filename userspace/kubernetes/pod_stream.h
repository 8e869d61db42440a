// SPDX-License-Identifier: Apache-2.0
// The bytes of a watch as they come: cut into lines, read, and put into a directory. Pure, and bounded whatever comes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "userspace/kubernetes/pod_json.h"

namespace mtlswatch {

class PodStream {
 public:
  /// kExpired: everything must be listed anew, and the same resource_version would not do. kBroken: what came is no watch.
  enum class State { kGoing, kExpired, kBroken };

  static constexpr std::size_t kLineBytes = 4u << 20;  ///< an object of etcd's has at most 1.5 MiB

  PodStream(PodDirectory& pods, std::string resource_version, const AnnotationNames& annotations)
      : pods_(pods), resource_version_(std::move(resource_version)), annotations_(annotations) {}

  State take(std::string_view bytes);
  State state() const { return state_; }
  /// Whether the directory changed since the last call.
  bool take_news() { return std::exchange(has_news_, false); }
  /// Where to go on from.
  const std::string& resource_version() const { return resource_version_; }
  std::uint64_t changes() const { return changes_; }  ///< bookmarks too
  std::uint64_t refused() const { return refused_; }  ///< changes of pods for which the directory has no room
  const std::string& error() const { return error_; }

 private:
  State read(std::string_view line);
  State broken(std::string why);

  PodDirectory& pods_;
  std::string resource_version_;
  const AnnotationNames& annotations_;
  std::string rest_;  ///< of a line
  State state_ = State::kGoing;
  std::uint64_t changes_ = 0;
  std::uint64_t refused_ = 0;
  bool has_news_ = false;
  std::string error_;
};

}  // namespace mtlswatch
