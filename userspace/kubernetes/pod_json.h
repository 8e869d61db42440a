// SPDX-License-Identifier: Apache-2.0
// What the API server answers, as values: pages of a PodList, lines of a watch. Pure; what it reads is not trusted to be
// well formed.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/model/pod.h"

namespace mtlswatch {

struct PodPage {
  std::vector<Pod> pods;
  std::string resource_version;
  std::string next;  ///< the "continue" token; empty: this was the last page
};

struct PodChange {
  enum class Kind {
    kPresent,   ///< added or modified
    kDeleted,
    kBookmark,  ///< nothing but a newer resource_version
    kExpired,   ///< 410: what was watched from is too old, everything must be listed anew
    kError,
  };
  Kind kind = Kind::kError;
  Pod pod;  ///< kDeleted: its uid counts
  std::string resource_version;
  std::string message;  ///< kExpired, kError
};

/// Annotations are kept by name only: they may be long, and hold anything.
using AnnotationNames = std::set<std::string>;

Result<PodPage> read_pod_page(std::string_view body, const AnnotationNames& annotations);
Result<PodChange> read_pod_change(std::string_view line, const AnnotationNames& annotations);

}  // namespace mtlswatch
