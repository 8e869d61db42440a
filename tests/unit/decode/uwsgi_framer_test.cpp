// SPDX-License-Identifier: Apache-2.0
// Requests in the uwsgi protocol on a stream.
#include "tests/unit/builders/uwsgi.h"
#include "tests/unit/decode/framer_fixture.h"

namespace mtlswatch {
namespace {

using UwsgiFramerTest = RequestFramerTest;

TEST_F(UwsgiFramerTest, reads_one_uwsgi_request_and_its_body_however_they_come) {
  const std::string packet = test::uwsgi_packet({{"REQUEST_METHOD", "POST"}, {"PATH_INFO", "/a"}, {"CONTENT_LENGTH", "20"}});
  const std::string body = "GET /b HTTP/1.1\r\n\r\nX";
  receive(packet + body.substr(0, 4), true);
  receive(body.substr(4, 6));
  receive(body.substr(10, 10), true);  // read after the answer began
  EXPECT_EQ(paths(), Paths{"/a"});
  at(100);
  requests_.clear();
  for (const char byte : packet) receive({&byte, 1}, byte == packet[0]);
  ASSERT_EQ(requests_.size(), 1u);
  EXPECT_EQ(state(), HeadState::kComplete);
  EXPECT_EQ(requests_[0].position, 100u);
  EXPECT_EQ(requests_[0].time_ns + packet.size(), time_ns_);
}

TEST_F(UwsgiFramerTest, takes_no_request_from_a_uwsgi_body_without_a_length) {
  receive(test::uwsgi_packet({{"PATH_INFO", "/a"}, {"HTTP_TRANSFER_ENCODING", "chunked"}}), true);
  receive("GET /b HTTP/1.1\r\n\r\n", true);
  EXPECT_EQ(paths(), Paths{"/a"});
}

TEST_F(UwsgiFramerTest, reads_a_second_uwsgi_request_of_a_connection_that_stays_open) {
  const std::string packet = test::uwsgi_packet({{"PATH_INFO", "/a"}});
  receive(packet, true);
  receive("rubbish");
  receive(packet, true);
  EXPECT_EQ(paths(), (Paths{"/a", "/a"}));
}

TEST_F(UwsgiFramerTest, finds_a_uwsgi_request_on_a_connection_whose_beginning_was_not_seen) {
  at(100, Start::kAtTurn);
  receive(test::uwsgi_packet({{"PATH_INFO", "/a"}}), true);
  EXPECT_EQ(paths(), Paths{"/a"});
}

TEST_F(UwsgiFramerTest, cuts_a_uwsgi_packet_at_the_prefix_limit) {
  const std::string packet = test::uwsgi_packet({{"PATH_INFO", "/a"}, {"HTTP_COOKIE", std::string(9000, 'c')}});
  receive(std::string_view(packet).substr(0, 4096), true);
  receive(std::string_view(packet).substr(4096, 4096), false, static_cast<std::uint32_t>(packet.size() - 8192));
  receive("GET /b HTTP/1.1\r\n\r\n", true);
  EXPECT_EQ(paths(), Paths{"/a"});
  EXPECT_EQ(state(), HeadState::kCut);
}

}  // namespace
}  // namespace mtlswatch
