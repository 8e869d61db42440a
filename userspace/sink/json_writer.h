// SPDX-License-Identifier: Apache-2.0
// Appends one JSON object to a buffer: the hot path of every event. What is absent is not written: an empty text, an
// empty list, and an object in which nothing was written leave no trace. Used by the event writers of this folder.
#pragma once

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace mtlswatch {

/// Parts of events that are the same in all of them: see JsonWriter::repeat.
enum class Fragment { kAgentAndHost, kTlsClient, kX509, kRelated, kChainLink, kCount };

/// The text of such parts, by what they tell of. One of each output's.
class JsonFragments {
 public:
  using Texts = std::unordered_map<std::string, std::string>;
  Texts& operator[](Fragment kind) { return texts_[static_cast<std::size_t>(kind)]; }

  static constexpr std::size_t kMost = 256;  ///< of each kind; one more, and all are made anew
  static constexpr std::size_t kMostBytes = 4096;  ///< of one; what is longer is written anew each time

 private:
  std::array<Texts, static_cast<std::size_t>(Fragment::kCount)> texts_;
};

class JsonWriter {
 public:
  using Buffer = fmt::memory_buffer;
  explicit JsonWriter(Buffer& buffer, JsonFragments* fragments = nullptr) : buffer_(buffer), fragments_(fragments) {}

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
  /// What write() writes, which name alone decides: where this writer has fragments and name is not empty, it is called
  /// once. Half of a request's event is its client's certificate.
  template <typename Write>
  void repeat(Fragment kind, const std::string& name, Write write) {
    if (fragments_ == nullptr || name.empty()) return write();
    const std::size_t before = buffer_.size();
    separate();
    const std::size_t start = buffer_.size();
    JsonFragments::Texts& known = (*fragments_)[kind];
    if (const auto found = known.find(name); found != known.end()) {
      append(found->second);
    } else {
      write();
      if (known.size() >= JsonFragments::kMost) known.clear();
      const std::size_t bytes = buffer_.size() - start;
      if (bytes <= JsonFragments::kMostBytes) known.emplace(name, std::string(buffer_.data() + start, bytes));
    }
    if (buffer_.size() == start) buffer_.resize(before);
  }

 private:
  Scope open(std::string_view key, char begin, char end, bool keep_empty);
  void separate();
  void write_key(std::string_view key);
  void append(std::string_view text) { buffer_.append(text.data(), text.data() + text.size()); }

  Buffer& buffer_;
  JsonFragments* fragments_;
};

/// Appends a JSON string: always valid UTF-8 and one line, whatever the bytes. Bytes that are no UTF-8 become U+FFFD.
void append_json_string(fmt::memory_buffer& buffer, std::string_view text);

}  // namespace mtlswatch
