// SPDX-License-Identifier: Apache-2.0
// What a session says of the requests that came through it.
#include <gtest/gtest.h>

#include "userspace/policy/judge.h"
#include "tests/unit/builders/change.h"

namespace mtlswatch {
namespace {

/// Alice's session; the handshake ended at 100 ns, the request was read at 150 ns.
class SessionVerdict : public testing::Test {
 protected:
  SessionVerdict() {
    Certificate alice;
    alice.parsed = true;
    session.state = SessionState::kEstablished;
    session.tls_accepted = session.presented = true;
    session.verify_code = 0;
    session.chain = {alice};
    session.finished_ns = 100;
    change(session.client_hello);
  }

  Reason reason() const {
    Origin origin;
    origin.identity_may_have_changed = identity_may_have_changed;
    change(origin.process).front = true;
    change(origin.process).known_proxy = proxy;
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
  std::uint64_t request_ns = 150;
  std::string proxy;
  bool identity_may_have_changed = false;  ///< after the handshake
};

TEST_F(SessionVerdict, neither_believes_nor_accuses_where_the_identity_may_have_changed) {
  identity_may_have_changed = true;
  EXPECT_EQ(reason(), Reason::kUnboundSession);
  session.presented = false;
  EXPECT_EQ(reason(), Reason::kUnboundSession);
}

/// Requests that came before the client had proved anything in this handshake (RFC 8446 section 8).
class EarlyData : public SessionVerdict {
 protected:
  EarlyData() {
    change(session.client_hello).has_early_data = true;
    request_ns = 50;
  }
};

/// A session that was made for one server name, and may be used under another.
class ResumedSession : public SessionVerdict {
 protected:
  ResumedSession() {
    session.resumed = true;
    session.original_server_name = change(session.client_hello).server_name = "shop";
  }
};

TEST_F(ResumedSession, counts_under_the_name_that_it_was_made_for) {
  EXPECT_EQ(reason(), Reason::kVerifiedClientCertificate);
  change(session.client_hello).server_name = "till";
  EXPECT_EQ(reason(), Reason::kResumedUnderOtherName);
}

TEST_F(ResumedSession, may_be_used_under_any_name_where_the_client_names_none_or_could_change_it) {
  session.retried = true;
  EXPECT_EQ(reason(), Reason::kUnboundSession);
  session.retried = false;
  change(session.client_hello).server_name.clear();
  EXPECT_EQ(reason(), Reason::kUnboundSession);
}

TEST_F(ResumedSession, without_a_name_is_the_default_servers_of_a_server_that_looks_at_names) {
  session.original_server_name.clear();
  EXPECT_EQ(reason(), Reason::kVerifiedClientCertificate);  // of a server that looks at no names
  for (const char* looks_at_names : {"nginx", "apache", "haproxy"}) {
    proxy = looks_at_names;
    EXPECT_EQ(reason(), Reason::kUnboundSession) << proxy;
  }
  change(session.client_hello).server_name.clear();
  EXPECT_EQ(reason(), Reason::kVerifiedClientCertificate);
}

TEST_F(EarlyData, counts_only_once_its_handshake_has_finished) {
  EXPECT_EQ(reason(), Reason::kEarlyData);
  request_ns = 150;
  EXPECT_EQ(reason(), Reason::kVerifiedClientCertificate);
}

TEST_F(EarlyData, may_have_been_announced_where_the_hello_was_not_read) {
  session.client_hello.reset();
  change(session.client_hello).cut = true;
  EXPECT_EQ(reason(), Reason::kEarlyData);
  change(session.client_hello).cut = false;
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
