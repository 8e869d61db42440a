// SPDX-License-Identifier: Apache-2.0
#include "userspace/sink/timestamp.h"

#include <gtest/gtest.h>

#include <limits>

namespace mtlswatch {
namespace {

TEST(Timestamp, writes_six_digits_and_cuts_the_rest) {
  EXPECT_EQ(utc_microseconds(1'795'425'302'497'215'999), "2026-11-23T09:15:02.497215Z");
  EXPECT_EQ(utc_microseconds(0), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(utc_microseconds(-1), "1969-12-31T23:59:59.999999Z");
}

TEST(Timestamp, takes_every_number_of_nanoseconds) {
  EXPECT_EQ(utc_microseconds(std::numeric_limits<std::int64_t>::min()), "1677-09-21T00:12:43.145224Z");
  EXPECT_EQ(utc_microseconds(std::numeric_limits<std::int64_t>::max()), "2262-04-11T23:47:16.854775Z");
}

TEST(Timestamp, leaves_out_years_that_have_not_four_digits) {
  EXPECT_EQ(utc_seconds(951'782'400), "2000-02-29T00:00:00Z");
  EXPECT_EQ(utc_seconds(253'402'300'799), "9999-12-31T23:59:59Z");
  EXPECT_EQ(utc_seconds(253'402'300'800), "");
  EXPECT_EQ(utc_seconds(-62'167'219'200), "0000-01-01T00:00:00Z");
  EXPECT_EQ(utc_seconds(-62'167'219'201), "");
  EXPECT_EQ(utc_seconds(std::numeric_limits<std::int64_t>::min()), "");
  EXPECT_EQ(utc_seconds(std::numeric_limits<std::int64_t>::max()), "");
}

}  // namespace
}  // namespace mtlswatch
