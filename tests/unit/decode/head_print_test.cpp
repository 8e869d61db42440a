// SPDX-License-Identifier: Apache-2.0
// Heads and text as the content witness compares them.
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <string>

#include "userspace/decode/head_print.h"

namespace mtlswatch {
namespace {

const std::string kToken = "session=4f9d27b1c08e6a35";

std::string head_with(const std::string& lines) { return "GET /a HTTP/1.1\r\nHost: shop\r\n" + lines + "\r\n"; }

/// Whether each fingerprint of the value is among those of the text.
bool has_all(const std::string& text, const std::string& value) {
  const auto all = grams_of(text), wanted = grams_of(value);
  return !wanted.empty() && std::includes(all.begin(), all.end(), wanted.begin(), wanted.end());
}

TEST(Grams, find_a_value_whatever_stands_around_it) {
  EXPECT_TRUE(has_all("GET / HTTP/1.1\r\nCookie: a=b; " + kToken + "; c=d\r\n\r\n", kToken));
  EXPECT_FALSE(has_all("GET / HTTP/1.1\r\nCookie: a=b; session=53a6e80c1b72d9f4; c=d\r\n\r\n", kToken));
}

TEST(Grams, find_a_value_in_any_spelling) {
  for (const char* spelling : {"SESSION=4F9D27B1C08E6A35", "session%3d4f9d27b1c08e6a35", "%73ession=4f9d%327b1c08e6a35",
                               "%2573ession=4f9d%2525327b1c08e6a35", "session=4f9d27b1\r\n c08e6a35", "session = \"4f9d27b1\tc08e6a35\"",
                               "session=4f9d27b1%\r\nc08e6a35"}) {
    EXPECT_TRUE(has_all(std::string("x=") + spelling + "&y", kToken)) << spelling;
  }
}

TEST(Grams, are_the_same_in_whatever_pieces_a_text_comes) {
  const std::string text = "GET /?q=%2573ession%3D4f9d27b1c08e6a35 HTTP/1.1\r\nHost: shop\r\n\r\n";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    std::vector<Gram> grams;
    GramStream stream;
    stream.feed(std::string_view(text).substr(0, cut), grams);
    stream.feed(std::string_view(text).substr(cut), grams);
    std::sort(grams.begin(), grams.end());
    grams.erase(std::unique(grams.begin(), grams.end()), grams.end());
    EXPECT_EQ(grams, grams_of(text)) << cut;
  }
}

TEST(Grams, of_as_many_letters_as_are_certain_are_found_anywhere) {
  const std::string letters = "k3v9q0zt7m5x";
  ASSERT_EQ(letters.size(), kGramCertain);
  std::string around = "a";
  for (int i = 0; i < 60; ++i) {
    around.push_back(static_cast<char>('a' + 7 * i % 26));
    EXPECT_TRUE(has_all(around + letters + around, letters)) << i;
  }
}

TEST(HeadPrint, is_the_same_for_what_proxies_do_not_change) {
  const auto client = print_head(head_with("Cookie: " + kToken + "\r\nX-Forwarded-For: 1.2.3.4\r\n"));
  const auto proxied = print_head("GET /b HTTP/1.0\r\nX-Forwarded-For: 9.9.9.9\r\ncookie:\t" + kToken + " \r\nHost: other\r\n\r\n");
  ASSERT_TRUE(client && proxied);
  EXPECT_EQ(client->method, proxied->method);
  ASSERT_EQ(client->fields.size(), 3u);
  const FieldPrint &cookie = client->fields[1], &forwarded = client->fields[2];
  EXPECT_TRUE(cookie.is_passed_on);
  EXPECT_FALSE(cookie.grams.empty());
  EXPECT_EQ(cookie.digest, proxied->fields[1].digest);
  EXPECT_FALSE(forwarded.is_passed_on);
  EXPECT_TRUE(forwarded.grams.empty());
}

TEST(HeadPrint, takes_no_value_for_a_clients_own_that_is_short_or_poor_or_a_proxys) {
  for (const char* line : {"X-Request-ID: 123456789abcdef", "Cookie: 0000000000000000000000", "Cookie: ********************************", "Authorization: Basic 4f9d27b1c08e6a354f9d",
                           "User-Agent: Mozilla/5.0 (X11; Linux x86_64)", "X-SSL-Client-Serial: 4f9d27b1c08e6a354f9d", "Via: 4f9d27b1c08e6a354f9d"}) {
    const auto print = print_head(head_with(std::string(line) + "\r\n"));
    ASSERT_TRUE(print) << line;
    for (const FieldPrint& field : print->fields) EXPECT_TRUE(field.grams.empty()) << line;
  }
}

TEST(HeadPrint, is_none_where_somebody_may_read_the_head_otherwise) {
  using namespace std::string_literals;
  ASSERT_TRUE(print_head(head_with("X-Id: a\r\n")));
  for (const std::string& head : {head_with("X-Id: a\r\n b\r\n"), head_with("X-Id: a\n"), head_with("X-Id: a\rb\r\n"), head_with("X-Id: \ra\r\n"), head_with("X-Id: a\0b\r\n"s),
                                  head_with("X-Id : a\r\n"), head_with("X-Id\r\n"), head_with("Cookie: a\r\ncookie: b\r\n"),
                                  head_with("X-Id: a\r\nX_Id: b\r\n"), head_with("Content-Length: 1, 1\r\n"), head_with("Content-Length: +1\r\n"),
                                  head_with("Content-Length: \r\n"), "\r\n" + head_with(""), "PRI * HTTP/2.0\r\n\r\n"s,
                                  "GET /a  HTTP/1.1\r\n\r\n"s, "GET\t/a HTTP/1.1\r\n\r\n"s, "GET /a HTTP/1.2\r\n\r\n"s, "GET /a HTTP/1.1\r\nHost: h\r\n"s}) {
    EXPECT_FALSE(print_head(head)) << head;
  }
}

}  // namespace
}  // namespace mtlswatch
