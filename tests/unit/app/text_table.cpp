// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/text_table.h"

#include <gtest/gtest.h>

namespace mtlswatch {
namespace {

TEST(TextTable, aligns_words_left_and_numbers_right) {
  TextTable table({"SERVICE", "REQUESTS"});
  table.add({"shop", "7"});
  table.add({"caf\xc3\xa9", "1200"});
  EXPECT_EQ(table.text(false), "SERVICE  REQUESTS\nshop            7\ncaf\xc3\xa9         1200\n");
}

TEST(TextTable, lets_nothing_from_the_wire_steer_the_terminal) {
  TextTable table({"PATH"});
  table.add({"/\x1b[2J\n\xc2\x9b\x7f"});
  EXPECT_EQ(table.text(false), "PATH\n/\\x1b[2J\\x0a\\x9b\\x7f\n");
}

TEST(TextTable, colours_only_when_allowed) {
  TextTable table({"VERDICT"});
  table.add({"bypass"});
  EXPECT_EQ(table.text(false).find('\x1b'), std::string::npos);
  EXPECT_NE(table.text(true).find("\x1b[31mbypass\x1b[0m"), std::string::npos);
}

}  // namespace
}  // namespace mtlswatch
