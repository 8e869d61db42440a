// SPDX-License-Identifier: Apache-2.0
// Which captured bytes of one record may be written to a recording. Parsers mark what they need; everything that no
// parser marked is masked, so that a byte nobody understood never leaves. Filled by the parsers, read by the scrubber.
#pragma once

#include <mtlswatch/event.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace mtlswatch {

class ByteMask {
 public:
  /// Marks count bytes from offset on (of the record's data) as harmless. What lies past the end is ignored.
  void keep(std::size_t offset, std::size_t count) {
    if (offset >= keep_.size()) return;
    std::fill_n(keep_.begin() + static_cast<std::ptrdiff_t>(offset), std::min(count, keep_.size() - offset), true);
  }

  /// Replaces every unmarked byte by '*'.
  void apply(std::span<std::uint8_t> data) const {
    for (std::size_t at = 0; at < data.size(); ++at) {
      if (at >= keep_.size() || !keep_[at]) data[at] = '*';
    }
  }

 private:
  std::array<bool, MTLSWATCH_IO_DATA_BYTES> keep_{};
};

/// A mask seen from a buffer whose last bytes are those of the record: buffer index = prior + record offset - base.
class BufferMask {
 public:
  /// mask may be null: nobody asks. prior: buffer bytes that came with earlier records; base: offset in this record
  /// of the first byte after them.
  BufferMask(ByteMask* mask, std::size_t prior, std::size_t base) : mask_(mask), prior_(prior), base_(base) {}

  bool wanted() const { return mask_ != nullptr; }
  void keep(std::size_t first, std::size_t last) const {  ///< buffer indices, last exclusive
    const std::size_t begin = std::max(first, prior_);
    if (mask_ != nullptr && begin < last) mask_->keep(begin - prior_ + base_, last - begin);
  }

 private:
  ByteMask* mask_;
  std::size_t prior_;
  std::size_t base_;
};

}  // namespace mtlswatch
