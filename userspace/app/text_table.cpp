// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/text_table.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace mtlswatch {
namespace {

/// Characters, not bytes; wide and combining ones count as one.
std::size_t width(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char byte) { return (byte & 0xc0) != 0x80; }));
}

bool is_number(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789.") == std::string::npos;
}

}  // namespace

std::string printable(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool is_c1 =
        byte == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0;  // U+0080 to U+009F
    if (byte < 0x20 || byte == 0x7f) {
      result += fmt::format("\\x{:02x}", byte);
    } else if (is_c1) {
      result += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[++i]));
    } else {
      result += text[i];
    }
  }
  return result;
}

bool may_colour(std::FILE* stream) {
  const char* no_colour = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  if (no_colour != nullptr && *no_colour != '\0') return false;
  return ::isatty(::fileno(stream)) == 1 && terminal != nullptr && std::string_view(terminal) != "dumb";
}

std::string coloured(const std::string& text, Colour colour, bool is_allowed) {
  static constexpr const char* kCodes[] = {"", "32", "31", "33", "2"};
  const char* code = kCodes[static_cast<std::size_t>(colour)];
  return is_allowed && *code != '\0' ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : text;
}

Colour colour_of(std::string_view word) {
  for (const char* good : {"authenticated", "success", "ready", "ok", "attached"}) {
    if (word == good) return Colour::kGood;
  }
  for (const char* bad : {"bypass", "failure", "not ready", "FAILED", "blind"}) {
    if (word == bad) return Colour::kBad;
  }
  for (const char* doubt : {"unknown", "degraded", "warning", "partly"}) {
    if (word == doubt) return Colour::kDoubt;
  }
  return Colour::kNone;
}

std::string TextTable::text(bool with_colour) const {
  std::vector<std::size_t> widths;
  for (const auto& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(printable(row[i])));
  }
  std::string text;
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string cell = printable(row[i]);
      const std::string padding(widths[i] - width(cell), ' ');
      const std::string shown = coloured(cell, colour_of(cell), with_colour);
      line += (i == 0 ? "" : "  ") + (is_number(cell) ? padding + shown : shown + padding);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

}  // namespace mtlswatch
