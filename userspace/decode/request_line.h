// SPDX-License-Identifier: Apache-2.0
// The first line of an HTTP/1.x request (RFC 9112 section 3), read as far as it is there. Used by the head parser, by
// the framer to find a head after a gap, and for the first bytes of plaintext connections.
#pragma once

#include <cstddef>
#include <string_view>

#include "userspace/decode/byte_mask.h"

namespace mtlswatch {

inline constexpr std::size_t kMethodBytes = 24;  ///< longest method taken for one

enum class LineState {
  kComplete,     ///< to its line end
  kNeedsMore,    ///< a request line so far
  kInvalid,      ///< no request line; offence is the byte that tells
  kUnsupported,  ///< another protocol: binary, or HTTP/2's preface
};

struct RequestLine {
  LineState state = LineState::kNeedsMore;
  std::string_view method;  ///< empty until its blank was seen
  std::string_view target;  ///< what is there of it
  bool target_complete = false;
  std::string_view version;  ///< "1.1"; empty until complete
  std::size_t size = 0;      ///< complete: of the line with its line end
  std::size_t offence = 0;   ///< invalid or unsupported: index of the byte that decided
};

/// Reads the line at the front of text. What is said of a prefix stays true when more arrives.
RequestLine read_request_line(std::string_view text);

/// Whether text begins a request, told from method and the start of the target: for places where a request is possible
/// but not certain, and so stricter than the grammar (letters for a method; a path, "*", http:// or https://).
struct RequestGuess {
  enum class Answer { kYes, kNo, kNeedsMore } answer = Answer::kNeedsMore;
  std::size_t decided_at = 0;  ///< index of the byte that told
};
RequestGuess guess_request(std::string_view text);

/// Marks what may be recorded of the line at the front of text: all but query, user information and rubbish. The
/// masked line reads the same but for the query.
void keep_request_line(const RequestLine& line, std::string_view text, const BufferMask& mask);

/// Marks what may be recorded of a target that begins at index start: all but query and user information. complete: its
/// end was seen.
void keep_target(std::string_view target, bool complete, std::size_t start, const BufferMask& mask);

/// A request target's parts. All are views into it.
struct Target {
  std::string_view user;       ///< absolute form: user information with its '@'
  std::string_view authority;  ///< absolute form: host and port
  std::string_view path;
  bool path_complete = false;  ///< false: more of it may follow
  std::string_view query;      ///< after '?'
  bool authority_complete = true;
};

/// Splits a target of any form (RFC 9112 section 3.2). complete: the target's end was seen.
Target split_target(std::string_view target, bool complete);

}  // namespace mtlswatch
