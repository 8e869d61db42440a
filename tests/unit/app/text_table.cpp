// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/text_table.h"

#include <gtest/gtest.h>
#include <pty.h>
#include <unistd.h>

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

TEST(Colour, is_for_terminals_alone_and_never_where_no_color_is_set) {
  int controller = -1, terminal = -1;
  ASSERT_EQ(::openpty(&controller, &terminal, nullptr, nullptr, nullptr), 0);
  std::FILE* stream = ::fdopen(terminal, "w");
  ::setenv("TERM", "xterm", 1);
  ::unsetenv("NO_COLOR");
  EXPECT_TRUE(may_colour(stream));
  ::setenv("NO_COLOR", "1", 1);
  EXPECT_FALSE(may_colour(stream));
  ::setenv("NO_COLOR", "", 1);
  EXPECT_TRUE(may_colour(stream)) << "no-color.org: when present and not an empty string";
  ::setenv("TERM", "dumb", 1);
  EXPECT_FALSE(may_colour(stream));
  ::setenv("TERM", "xterm", 1);
  std::fclose(stream);
  std::FILE* file = std::tmpfile();
  EXPECT_FALSE(may_colour(file));
  std::fclose(file);
  ::close(controller);
}

}  // namespace
}  // namespace mtlswatch
