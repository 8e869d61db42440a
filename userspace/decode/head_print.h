// SPDX-License-Identifier: Apache-2.0
// Text -> what the content witness compares. Stateless but for the fingerprints of a stream.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "userspace/model/content.h"

namespace mtlswatch {

/// Fingerprints of a stream that comes in pieces. Percent encoding is undone, of any depth; what is neither letter nor
/// digit, and the case of letters, make no difference.
class GramStream {
 public:
  /// Appends those that this piece completes to out.
  void feed(std::string_view text, std::vector<Gram>& out);
  /// Bytes are missing here.
  void skip() { *this = {}; }
  /// Letters and digits so far.
  std::size_t size() const { return size_; }

 private:
  static constexpr std::size_t kLetters = 8;  ///< of a fingerprint
  static constexpr std::size_t kWindow = kGramCertain - kLetters + 1;
  void take(char byte, std::vector<Gram>& out);
  void take_letter(char letter, std::vector<Gram>& out);

  std::array<char, 2> escape_{};  ///< behind a '%'
  std::size_t escaped_ = 0;       ///< of them, with the '%'; 0: outside
  std::uint64_t letters_ = 0;     ///< the last ones
  std::size_t size_ = 0;
  std::array<Gram, kWindow> window_{};
};

/// Of a text by itself, each once, ascending.
std::vector<Gram> grams_of(std::string_view text);

/// Of a head with its blank line. Nothing: somebody may read it otherwise.
std::optional<HeadPrint> print_head(std::string_view head);

}  // namespace mtlswatch
