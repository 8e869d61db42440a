// SPDX-License-Identifier: Apache-2.0
// Requests that came before the client had proved anything in this handshake (RFC 8446 section 8).
#include <gtest/gtest.h>

#include "userspace/policy/judge.h"

namespace mtlswatch {
namespace {

/// Alice resumed her session; the handshake ended at 100 ns, the request was read at 50 ns.
class EarlyData : public testing::Test {
 protected:
  EarlyData() {
    Certificate alice;
    alice.parsed = true;
    session.state = SessionState::kEstablished;
    session.tls_accepted = session.presented = true;
    session.verify_code = 0;
    session.chain = {alice};
    session.finished_ns = 100;
    session.client_hello.emplace().has_early_data = true;
  }

  Reason reason() const {
    Origin origin;
    origin.process.front = true;
    origin.first_bytes = FirstBytes::kTls;
    origin.session = session;
    SettledExchange exchange;
    exchange.request.head.state = HeadState::kComplete;
    exchange.request.time_ns = request_ns;
    exchange.provenance.peer_kind = PeerKind::kProcess;
    exchange.provenance.peer_process = origin.process;
    exchange.provenance.upstream_seen = true;
    exchange.provenance.attribution = {"response", Confidence::kExact, 1};
    exchange.provenance.origins = {origin};
    const Config config;
    return Judge(config, HostAddresses{}).judge(exchange).reason;
  }

  Session session;
  std::uint64_t request_ns = 50;
};

TEST_F(EarlyData, counts_only_once_its_handshake_has_finished) {
  EXPECT_EQ(reason(), Reason::kEarlyData);
  request_ns = 150;
  EXPECT_EQ(reason(), Reason::kVerifiedClientCertificate);
}

TEST_F(EarlyData, may_have_been_announced_where_the_hello_was_not_read) {
  session.client_hello.emplace().cut = true;
  EXPECT_EQ(reason(), Reason::kEarlyData);
  session.client_hello->cut = false;
  EXPECT_EQ(reason(), Reason::kVerifiedClientCertificate);
}

TEST_F(EarlyData, is_said_where_the_end_of_the_handshake_was_not_seen) {
  session.state = SessionState::kHandshaking;
  session.tls_accepted = false;
  request_ns = 150;
  EXPECT_EQ(reason(), Reason::kEarlyData);
}

}  // namespace
}  // namespace mtlswatch
