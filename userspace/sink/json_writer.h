// SPDX-License-Identifier: Apache-2.0
// Appends one JSON object to a buffer: the hot path of every event. What is absent is not written: an empty text, an
// empty list, and an object in which nothing was written leave no trace. Used by the event writers of this folder.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mtlswatch {

class JsonWriter {
 public:
  using Buffer = fmt::memory_buffer;
  explicit JsonWriter(Buffer& buffer) : buffer_(buffer) {}

  /// An object or array that is open while this lives. Close the inner before the outer: scopes do.
  class Scope {
   public:
    Scope(Buffer& buffer, std::size_t before, char end, bool keep_empty)
        : buffer_(buffer), before_(before), content_(buffer.size()), end_(end), keep_empty_(keep_empty) {}
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    ~Scope() {
      if (buffer_.size() == content_ && !keep_empty_) {
        buffer_.resize(before_);
      } else {
        buffer_.push_back(end_);
      }
    }

   private:
    Buffer& buffer_;
    std::size_t before_;
    std::size_t content_;
    char end_;
    bool keep_empty_;
  };

  [[nodiscard]] Scope root() { return open({}, '{', '}', true); }
  [[nodiscard]] Scope object(std::string_view key) { return open(key, '{', '}', false); }
  [[nodiscard]] Scope array(std::string_view key) { return open(key, '[', ']', false); }
  [[nodiscard]] Scope array_even_if_empty(std::string_view key) { return open(key, '[', ']', true); }
  [[nodiscard]] Scope item_object() { return open({}, '{', '}', true); }

  /// Nothing when value is empty.
  void text(std::string_view key, std::string_view value);
  void texts(std::string_view key, const std::vector<std::string>& values);
  template <typename Integer>
  void number(std::string_view key, Integer value) {
    write_key(key);
    append(fmt::format_int(value).c_str());
  }
  void flag(std::string_view key, bool value);
  void null(std::string_view key);
  /// An element of the open array.
  void item(std::string_view value);

 private:
  Scope open(std::string_view key, char begin, char end, bool keep_empty);
  void separate();
  void write_key(std::string_view key);
  void append(std::string_view text) { buffer_.append(text.data(), text.data() + text.size()); }

  Buffer& buffer_;
};

/// Appends a JSON string: always valid UTF-8 and one line, whatever the bytes. Bytes that are no UTF-8 become U+FFFD.
void append_json_string(fmt::memory_buffer& buffer, std::string_view text);

}  // namespace mtlswatch
