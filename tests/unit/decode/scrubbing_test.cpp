// SPDX-License-Identifier: Apache-2.0
// What was scrubbed must decode to the same, whatever the traffic.
#include <gtest/gtest.h>

#include "tests/unit/decode/event_text.h"
#include "tests/unit/decode/random_traffic.h"
#include "userspace/decode/scrubber.h"

namespace mtlswatch {
namespace {

using test::data_of;
using test::RandomTraffic;

const DecoderConfig kConfig{.identity_headers = {"X-SSL-Client-Verify", "Client-Cert"}, .connection_limit = 8};

TEST(Scrubbing, changes_no_event_of_random_traffic_but_queries) {
  std::size_t requests = 0, complete = 0, beginnings = 0;
  for (unsigned seed = 0; seed < 300; ++seed) {
    RandomTraffic traffic(seed);
    Decoder direct(kConfig), replayed(kConfig);
    Scrubber scrubber(kConfig);
    std::vector<Event> expected, actual;
    for (int step = 0; step < 300; ++step) {
      test::RawRecord record = traffic.next();
      expected.clear();
      actual.clear();
      direct.decode(record, expected);
      const std::string before = data_of(record);
      scrubber.scrub(record);
      replayed.decode(record, actual);
      ASSERT_EQ(expected.size(), actual.size()) << "seed " << seed << " step " << step << "\n"
                                                << before << "\n->\n"
                                                << data_of(record);
      for (std::size_t i = 0; i < expected.size(); ++i) {
        ASSERT_EQ(test::text_of(expected[i]), test::text_of(actual[i])) << "seed " << seed << " step " << step << "\n"
                                                                        << before << "\n->\n"
                                                                        << data_of(record);
        const auto* request = std::get_if<RequestSeen>(&expected[i]);
        requests += request != nullptr;
        complete += request != nullptr && request->head.state == HeadState::kComplete;
        beginnings += std::holds_alternative<ConnectionBegan>(expected[i]);
      }
    }
  }
  EXPECT_GT(requests, 2500u);  // the traffic is not all rubbish
  EXPECT_GT(complete, 1500u);
  EXPECT_GT(beginnings, 500u);
}

TEST(Scrubbing, lets_no_secret_of_random_traffic_through) {
  for (unsigned seed = 1000; seed < 1200; ++seed) {
    RandomTraffic traffic(seed);
    Scrubber scrubber(kConfig);
    for (int step = 0; step < 300; ++step) {
      test::RawRecord record = traffic.next();
      const std::string before = data_of(record);
      scrubber.scrub(record);
      const std::string after = data_of(record);
      ASSERT_EQ(after.find("Z~Z"), std::string::npos) << "seed " << seed << " step " << step << "\n"
                                                      << before << "\n->\n"
                                                      << after;
    }
  }
}

}  // namespace
}  // namespace mtlswatch
