// SPDX-License-Identifier: Apache-2.0
#include "userspace/sink/json_writer.h"

#include <cstring>

#include "userspace/sink/utf8.h"

namespace mtlswatch {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

void append_text(fmt::memory_buffer& buffer, std::string_view text) {
  buffer.append(text.data(), text.data() + text.size());
}

bool is_plain(char character) {
  const auto byte = static_cast<unsigned char>(character);
  return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
}

/// How many bytes of text stand for themselves up to the first that may not, eight at a time: nearly all of it.
std::size_t plain_bytes(std::string_view text) {
  constexpr std::uint64_t kEach = 0x0101010101010101;
  constexpr std::uint64_t kTop = 0x80 * kEach;
  const auto has_zero = [](std::uint64_t word) { return (word - kEach) & ~word & kTop; };
  std::size_t at = 0;
  for (std::uint64_t word = 0; at + sizeof word <= text.size(); at += sizeof word) {
    std::memcpy(&word, text.data() + at, sizeof word);
    const std::uint64_t is_control = (word - 0x20 * kEach) & ~word & kTop;
    if ((word & kTop) | is_control | has_zero(word ^ 0x7f * kEach) | has_zero(word ^ '"' * kEach) | has_zero(word ^ '\\' * kEach)) break;
  }
  while (at < text.size() && is_plain(text[at])) ++at;
  return at;
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
    const std::size_t plain = plain_bytes(text);
    append_text(buffer, text.substr(0, plain));
    text.remove_prefix(plain);
    if (text.empty()) break;
    const std::size_t bytes = utf8_sequence_bytes(text);
    if (bytes == 0) append_text(buffer, kReplacement);
    if (bytes == 1) append_escaped(buffer, text[0]);
    if (bytes > 1) append_text(buffer, text.substr(0, bytes));
    text.remove_prefix(bytes == 0 ? 1 : bytes);
  }
  buffer.push_back('"');
}

/// A comma, unless this is the first entry of its object or array. No value ends in an opening bracket.
void JsonWriter::separate() {
  if (buffer_.size() == 0) return;
  const char last = buffer_.data()[buffer_.size() - 1];
  if (last != '{' && last != '[' && last != '\n') buffer_.push_back(',');
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
