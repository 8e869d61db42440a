// SPDX-License-Identifier: Apache-2.0
// Paths as policy compares them. A path that proxy, server and application could read differently is not compared at
// all.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mtlswatch {

/// The path with %XX of unreserved characters decoded (RFC 3986 section 6.2.2.2). Nothing where the path could be read
/// in two ways: it does not begin with '/', or has empty or dot segments, other escapes, ';', '\', or bytes that are no
/// printable ASCII.
std::optional<std::string> normalised_path(std::string_view path);

}  // namespace mtlswatch
