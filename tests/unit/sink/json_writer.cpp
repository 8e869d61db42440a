// SPDX-License-Identifier: Apache-2.0
#include "userspace/sink/json_writer.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace mtlswatch {
namespace {

std::string json_string(std::string_view text) {
  fmt::memory_buffer buffer;
  append_json_string(buffer, text);
  return fmt::to_string(buffer);
}

TEST(JsonString, escapes_quotes_backslashes_and_controls) {
  EXPECT_EQ(json_string("a\"b\\c"), R"("a\"b\\c")");
  EXPECT_EQ(json_string(std::string_view("\n\t\0\x1f\x7f", 5)), R"("\u000a\u0009\u0000\u001f\u007f")");
}

TEST(JsonString, keeps_well_formed_utf8) { EXPECT_EQ(json_string("é€😀"), "\"é€😀\""); }

TEST(JsonString, replaces_each_byte_that_is_no_utf8) {
  const std::string bad = "\xEF\xBF\xBD";
  EXPECT_EQ(json_string("a\xff"
                        "b"),
            "\"a" + bad + "b\"");
  EXPECT_EQ(json_string("\xc3"), "\"" + bad + "\"") << "cut";
  EXPECT_EQ(json_string("\xc3\"x"), "\"" + bad + "\\\"x\"") << "a cut sequence must not swallow the quote";
  EXPECT_EQ(json_string("\xc0\x80"), "\"" + bad + bad + "\"") << "overlong";
  EXPECT_EQ(json_string("\xe0\x80\x80"), "\"" + bad + bad + bad + "\"") << "overlong";
  EXPECT_EQ(json_string("\xed\xa0\x80"), "\"" + bad + bad + bad + "\"") << "surrogate";
  EXPECT_EQ(json_string("\xf4\x90\x80\x80"), "\"" + bad + bad + bad + bad + "\"") << "beyond U+10FFFF";
}

// nlohmann/json refuses what is no UTF-8 or no JSON.
TEST(JsonString, is_one_line_of_json_for_every_pair_of_bytes) {
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; ++second) {
      const char bytes[] = {static_cast<char>(first), static_cast<char>(second)};
      const std::string text = json_string({bytes, 2});
      ASSERT_TRUE(nlohmann::json::accept(text)) << first << " " << second;
      ASSERT_EQ(text.find('\n'), std::string::npos);
    }
  }
}

TEST(JsonString, finds_what_to_escape_wherever_it_stands) {
  for (std::size_t size = 0; size < 300; ++size) {
    for (std::size_t at = 0; at < size; ++at) {
      std::string text(size, 'x');
      text[at] = '"';
      const std::string expected = '"' + text.substr(0, at) + '\\' + text.substr(at) + '"';
      ASSERT_EQ(json_string(text), expected) << size << " " << at;
    }
  }
}

class Repeated : public ::testing::Test {
 protected:
  /// {"a":["x","y"],"b":"z"}, of which the inner values are repeated.
  std::string object(std::initializer_list<const char*> items, const std::string& name, const char* last) {
    fmt::memory_buffer buffer;
    {
      JsonWriter json(buffer, &fragments);
      const auto root = json.root();
      {
        const auto list = json.array("a");
        for (const char* item : items) json.repeat(Fragment::kChainLink, name + item, [&] { ++written, json.item(item); });
      }
      json.repeat(Fragment::kRelated, name, [&] { ++written, json.text("b", last); });
    }
    return fmt::to_string(buffer);
  }

  JsonFragments fragments;
  int written = 0;
};

TEST_F(Repeated, is_written_once_and_the_same_again) {
  const std::string first = object({"x", "y"}, "one", "z");
  EXPECT_EQ(first, R"({"a":["x","y"],"b":"z"})");
  EXPECT_EQ(object({"x", "y"}, "one", "z"), first);
  EXPECT_EQ(written, 3);
  EXPECT_EQ(object({"x"}, "two", "other"), R"({"a":["x"],"b":"other"})");
}

TEST_F(Repeated, is_written_each_time_where_it_has_no_name) {
  object({}, "", "z");
  EXPECT_EQ(object({}, "", "other"), R"({"b":"other"})");
}

TEST_F(Repeated, leaves_no_trace_where_nothing_is_written) {
  for (int i = 0; i < 2; ++i) EXPECT_EQ(object({"x"}, "one", ""), R"({"a":["x"]})");
}

TEST_F(Repeated, is_bounded) {
  for (std::size_t i = 0; i < 3 * JsonFragments::kMost; ++i) object({}, std::to_string(i) + "n", "z");
  EXPECT_LE(fragments[Fragment::kRelated].size(), JsonFragments::kMost);
}

TEST(JsonWriter, leaves_no_trace_of_what_is_absent) {
  fmt::memory_buffer buffer;
  {
    JsonWriter json(buffer);
    const auto root = json.root();
    json.text("empty", "");
    json.texts("none", {});
    json.texts("blank", {""});
    {
      const auto outer = json.object("outer");
      const auto inner = json.object("inner");
    }
    json.number("zero", 0);
    const auto kept = json.array_even_if_empty("kept");
  }
  EXPECT_EQ(fmt::to_string(buffer), R"({"zero":0,"kept":[]})");
}

TEST(JsonWriter, separates_after_an_object_that_vanished) {
  fmt::memory_buffer buffer;
  {
    JsonWriter json(buffer);
    const auto root = json.root();
    json.flag("a", true);
    { const auto gone = json.object("gone"); }
    json.null("b");
    const auto list = json.array("list");
    json.item("x");
    json.item("y");
    const auto item = json.item_object();
  }
  EXPECT_EQ(fmt::to_string(buffer), R"({"a":true,"b":null,"list":["x","y",{}]})");
}

}  // namespace
}  // namespace mtlswatch
