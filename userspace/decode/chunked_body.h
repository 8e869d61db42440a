// SPDX-License-Identifier: Apache-2.0
// Where a chunked body ends: RFC 9112 section 7.1. Used by the request framer.
//
//   state       accepts                              goes to
//   kSize       hexadecimal digits                   kExtension, kSizeEnd, kData, kTrailer
//   kExtension  anything up to the line end          kData, kTrailer (size 0)
//   kSizeEnd    LF                                   kData, kTrailer (size 0)
//   kData       size bytes, also skipped ones        kDataEnd
//   kDataEnd    CR LF or LF                          kSize
//   kTrailer    lines up to an empty one             kDone
//   anything else is kLost: the end cannot be known
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "userspace/decode/byte_mask.h"

namespace mtlswatch {

class ChunkedBody {
 public:
  /// Takes bytes from the front until the body is done or lost; returns how many it took. mask_offset: where bytes
  /// begin in the record.
  std::size_t feed(std::span<const std::uint8_t> bytes, std::size_t mask_offset, ByteMask* mask);

  /// Bytes that were moved but not captured. Only a chunk's data can be missed.
  void skip(std::uint64_t count);

  bool done() const { return state_ == State::kDone; }
  bool lost() const { return state_ == State::kLost; }

 private:
  enum class State { kSize, kExtension, kSizeEnd, kData, kDataEnd, kTrailer, kDone, kLost };

  void step(std::uint8_t byte);
  void read_size(std::uint8_t byte);
  void end_size_line();

  State state_ = State::kSize;
  std::uint64_t size_ = 0;  ///< of the chunk; in kData what is left of it
  int digits_ = 0;
  bool after_return_ = false;  ///< kDataEnd: CR was seen
  bool line_empty_ = true;     ///< kTrailer
};

}  // namespace mtlswatch
