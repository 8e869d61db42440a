// SPDX-License-Identifier: Apache-2.0
#include "userspace/sink/json_writer.h"

#include <emmintrin.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "userspace/sink/utf8.h"

namespace mtlswatch {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

void append_text(fmt::memory_buffer& buffer, std::string_view text) {
  buffer.append(text.data(), text.data() + text.size());
}

constexpr std::size_t kStep = sizeof(__m128i);

/// How many of these bytes stand for themselves up to the first that may not. kStep more must be readable behind them.
std::size_t plain_bytes(const char* text, std::size_t size) {
  for (std::size_t at = 0; at < size; at += kStep) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text + at));
    const auto is = [bytes](char character) { return _mm_cmpeq_epi8(bytes, _mm_set1_epi8(character)); };
    const __m128i is_special = _mm_or_si128(_mm_or_si128(is('"'), is('\\')), is(0x7f));
    const __m128i is_low_or_high = _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20));  // signed: above 0x7f too
    const int found = _mm_movemask_epi8(_mm_or_si128(is_special, is_low_or_high));
    if (found != 0) return std::min(size, at + static_cast<std::size_t>(std::countr_zero(static_cast<unsigned>(found))));
  }
  return size;
}

constexpr std::size_t kPiece = 16 * kStep;  // bounds what is copied for nothing before each byte that needs a closer look

/// Appends a piece of text as it is, up to the first byte that needs a closer look; says how many bytes that were.
std::size_t append_plain(fmt::memory_buffer& buffer, std::string_view text) {
  text = text.substr(0, kPiece);
  const std::size_t before = buffer.size();
  buffer.resize(before + text.size() + kStep);
  char* const copy = buffer.data() + before;
  std::memcpy(copy, text.data(), text.size());
  std::memset(copy + text.size(), 0, kStep);
  const std::size_t plain = plain_bytes(copy, text.size());
  buffer.resize(before + plain);
  return plain;
}

void append_escaped(fmt::memory_buffer& buffer, char character) {
  constexpr char kDigits[] = "0123456789abcdef";
  if (character == '"' || character == '\\') {
    buffer.push_back('\\');
    buffer.push_back(character);
    return;
  }
  const auto byte = static_cast<unsigned char>(character);
  append_text(buffer, "\\u00");
  buffer.push_back(kDigits[byte >> 4]);
  buffer.push_back(kDigits[byte & 0xf]);
}

}  // namespace

void append_json_string(fmt::memory_buffer& buffer, std::string_view text) {
  buffer.push_back('"');
  while (!text.empty()) {
    const std::size_t plain = append_plain(buffer, text);
    text.remove_prefix(plain);
    if (plain == kPiece || text.empty()) continue;
    const std::size_t bytes = utf8_sequence_bytes(text);
    if (bytes == 0) append_text(buffer, kReplacement);
    if (bytes == 1) append_escaped(buffer, text[0]);
    if (bytes > 1) append_text(buffer, text.substr(0, bytes));
    text.remove_prefix(bytes == 0 ? 1 : bytes);
  }
  buffer.push_back('"');
}

/// A comma, unless this is the first entry of its object or array, or one stands there already. No value ends in one of these.
void JsonWriter::separate() {
  if (buffer_.size() == 0) return;
  const char last = buffer_.data()[buffer_.size() - 1];
  if (last != '{' && last != '[' && last != '\n' && last != ',') buffer_.push_back(',');
}

/// Keys are our own literals: nothing in them needs escaping.
void JsonWriter::write_key(std::string_view key) {
  separate();
  const std::size_t at = buffer_.size();
  buffer_.resize(at + key.size() + 3);
  char* text = buffer_.data() + at;
  text[0] = '"';
  std::memcpy(text + 1, key.data(), key.size());
  std::memcpy(text + 1 + key.size(), "\":", 2);
}

JsonWriter::Scope JsonWriter::open(std::string_view key, char begin, char end, bool keep_empty) {
  const std::size_t before = buffer_.size();
  if (key.empty()) {
    separate();
  } else {
    write_key(key);
  }
  buffer_.push_back(begin);
  return {buffer_, before, end, keep_empty};
}

void JsonWriter::text(std::string_view key, std::string_view value) {
  if (value.empty()) return;
  write_key(key);
  append_json_string(buffer_, value);
}

void JsonWriter::texts(std::string_view key, const std::vector<std::string>& values) {
  const auto list = array(key);
  for (const auto& value : values) item(value);
}

void JsonWriter::flag(std::string_view key, bool value) {
  write_key(key);
  append(value ? "true" : "false");
}

void JsonWriter::null(std::string_view key) {
  write_key(key);
  append("null");
}

void JsonWriter::item(std::string_view value) {
  if (value.empty()) return;
  separate();
  append_json_string(buffer_, value);
}

}  // namespace mtlswatch
