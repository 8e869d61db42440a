// SPDX-License-Identifier: Apache-2.0
// What processes have read from their TLS clients -> ContentRead. Owned by the decoder. Of the text only the beginning of an
// unfinished head is kept.
//
//   state   accepts                                     emits               goes to
//   kHead   bytes of a head, all of them                it, when complete   kHead (no body), kBody, kOdd
//   kBody   Content-Length bytes, also uncaptured ones  nothing             kHead at its end, kOdd beyond it
//   kOdd    nothing                                     nothing             -
//   kOdd is told at once: a gap, a head that is not plain or too long, bytes behind a request in one piece (pipelining).
#pragma once

#include <mtlswatch/event.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>

#include "userspace/decode/head_print.h"
#include "userspace/model/events.h"

namespace mtlswatch {

class ClientContent {
 public:
  /// What this piece says, for everything but time, actor and id.
  ContentRead read(std::uint64_t position, std::uint32_t length, std::string_view data);

 private:
  enum class State { kHead, kBody, kOdd };
  bool pass(std::uint64_t hidden_bytes);
  bool take(std::string_view data, ContentRead& seen);
  bool take_head(std::string_view& data, ContentRead& seen);
  ContentRead become_odd();

  State state_ = State::kHead;
  std::uint64_t next_ = 0;  ///< position of the next byte
  std::string head_;        ///< unfinished
  std::uint64_t body_left_ = 0;
  GramStream grams_;
};

class ClientContents {
 public:
  /// data: the record's captured bytes.
  ContentRead read(const mtlswatch_content& record, std::string_view data);
  void close(ConnectionId id) { connections_.erase(id); }
  void clear() { connections_.clear(); }

  static constexpr std::size_t kMost = 4096;  ///< connections at a time; of more, nothing is known

 private:
  std::unordered_map<ConnectionId, ClientContent> connections_;
};

}  // namespace mtlswatch
