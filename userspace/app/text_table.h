// SPDX-License-Identifier: Apache-2.0
// Plain text for people: aligned columns, colour only on a terminal and never with NO_COLOR set (no-color.org).
#pragma once

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace mtlswatch {

/// Text from the wire or a log, safe for a terminal: control characters become \xNN.
std::string printable(std::string_view text);

enum class Colour { kNone, kGood, kBad, kDoubt, kDim };

/// Whether escape sequences may be written to stream.
bool may_colour(std::FILE* stream);
std::string coloured(const std::string& text, Colour colour, bool is_allowed);
/// Of a verdict, an outcome or a word of health.
Colour colour_of(std::string_view word);

class TextTable {
 public:
  explicit TextTable(std::vector<std::string> header) : rows_{std::move(header)} {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  bool empty() const { return rows_.size() == 1; }
  /// Lines with columns two blanks apart; numbers to the right. Cells are made printable.
  std::string text(bool with_colour) const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace mtlswatch
