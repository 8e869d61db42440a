// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/yaml_reader.h"

#include <gtest/gtest.h>

namespace mtlswatch {
namespace {

TEST(YamlReader, says_nothing_of_words_that_are_not_near) {
  EXPECT_EQ(nearest_word("backend", {"backends", "fronts"}), "backends");
  EXPECT_EQ(nearest_word("fornts", {"backends", "fronts"}), "fronts");
  EXPECT_EQ(nearest_word("kubernetes", {"backends", "fronts"}), std::nullopt);
  EXPECT_EQ(nearest_word(std::string(100'000, 'x'), {"backends"}), std::nullopt);
}

TEST(YamlReader, keeps_quoted_numbers_text) {
  const auto node = parse_yaml("[8000, \"8000\", |\n  5\n]");
  EXPECT_FALSE(node) << "a block scalar cannot stand in a flow list";
  const auto list = parse_yaml("- 8000\n- \"8000\"\n- '5'\n");
  ASSERT_TRUE(list);
  EXPECT_FALSE(read_text(list->items[0]));
  EXPECT_TRUE(read_number(list->items[0], 0, 9000));
  EXPECT_TRUE(read_text(list->items[1]));
  EXPECT_FALSE(read_number(list->items[2], 0, 9000));
}

// Whatever the bytes are, the parser ends with a tree or with an error that has a place.
TEST(YamlReader, survives_every_cut_and_every_changed_byte) {
  const std::string text =
      "a: &x [1, {b: 'c'}]\nd: *x\n? e\n: |\n  f\ng: >-\n  \"h\"\n---\n...\n%YAML 1.2\n!!t &y : z\n";
  const std::string strange = "[]{}:,-?&*!|>'\"%@`#\n\t\\~\x01\x80\xff";
  for (std::size_t i = 0; i < text.size(); ++i) {
    (void)parse_yaml(text.substr(0, i));
    for (const char byte : strange) {
      std::string changed = text;
      changed[i] = byte;
      const auto node = parse_yaml(changed);
      EXPECT_TRUE(node || (node.error().message[0] >= '1' && node.error().message[0] <= '9')) << i << " " << byte;
    }
  }
}

TEST(YamlReader, ends_on_a_megabyte_of_one_character) {
  for (const char* piece : {"[", "{", "{a: ", "? ", "&a ", "!", "\"", "a\n", "[],"}) {
    std::string text;
    while (text.size() + 4 < kYamlBytes) text += piece;
    EXPECT_FALSE(parse_yaml("[" + text) && parse_yaml(text)) << piece;
  }
}

}  // namespace
}  // namespace mtlswatch
