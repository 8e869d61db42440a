// SPDX-License-Identifier: Apache-2.0
#include "userspace/decode/chunked_body.h"

#include <algorithm>

namespace mtlswatch {
namespace {

constexpr int kMostDigits = 7;  // 256 MiB: far below where 32-bit stream positions become ambiguous

int hex_value(std::uint8_t byte) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  const int letter = byte | 0x20;
  return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

bool is_structure(std::uint8_t byte) { return byte == '\r' || byte == '\n'; }

}  // namespace

std::size_t ChunkedBody::feed(std::span<const std::uint8_t> bytes, std::size_t mask_offset, ByteMask* mask) {
  std::size_t at = 0;
  while (at < bytes.size() && !done() && !lost()) {
    if (state_ == State::kData) {
      const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(size_, bytes.size() - at));
      skip(count);
      at += count;
      continue;
    }
    const bool size_line = state_ == State::kSize;
    step(bytes[at]);
    if (mask != nullptr && !lost() && (size_line || is_structure(bytes[at]))) mask->keep(mask_offset + at, 1);
    ++at;
  }
  return at;
}

void ChunkedBody::skip(std::uint64_t count) {
  if (state_ != State::kData || count > size_) {
    state_ = State::kLost;
    return;
  }
  size_ -= count;
  if (size_ == 0) state_ = State::kDataEnd;
}

void ChunkedBody::step(std::uint8_t byte) {
  switch (state_) {
    case State::kSize:
      return read_size(byte);
    case State::kExtension:
      if (byte == '\n') end_size_line();
      return;
    case State::kSizeEnd:
      if (byte == '\n') return end_size_line();
      state_ = State::kLost;
      return;
    case State::kDataEnd:
      if (byte == '\r' && !after_return_) {
        after_return_ = true;
      } else {
        state_ = byte == '\n' ? State::kSize : State::kLost;
        after_return_ = false;
      }
      return;
    case State::kTrailer:
      if (byte == '\n' && line_empty_) state_ = State::kDone;
      if (byte != '\r') line_empty_ = byte == '\n';
      return;
    case State::kData:
    case State::kDone:
    case State::kLost:
      return;
  }
}

void ChunkedBody::read_size(std::uint8_t byte) {
  const int digit = hex_value(byte);
  if (digit >= 0 && digits_ < kMostDigits) {
    size_ = size_ * 16 + static_cast<std::uint64_t>(digit);
    if (size_ != 0 || digits_ == 0) ++digits_;  // leading zeros do not count
    return;
  }
  if (digits_ == 0 || digit >= 0) {
    state_ = State::kLost;
  } else if (byte == '\n') {
    end_size_line();
  } else if (byte == '\r') {
    state_ = State::kSizeEnd;
  } else {
    state_ = byte == ';' || byte == ' ' || byte == '\t' ? State::kExtension : State::kLost;
  }
}

void ChunkedBody::end_size_line() {
  state_ = size_ == 0 ? State::kTrailer : State::kData;
  digits_ = 0;
  line_empty_ = true;
}

}  // namespace mtlswatch
