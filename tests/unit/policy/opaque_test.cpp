// SPDX-License-Identifier: Apache-2.0
// What comes through a process whose TLS cannot be seen into.
#include <gtest/gtest.h>

#include "userspace/policy/judge.h"
#include "tests/unit/builders/change.h"

namespace mtlswatch {
namespace {

Origin opaque_origin() {
  Origin origin;
  change(origin.process).pid = 10;
  change(origin.process).tls_coverage = "blind";
  origin.first_bytes = FirstBytes::kTls;
  return origin;
}

Origin plaintext_origin() {
  Origin origin = opaque_origin();
  origin.first_bytes = FirstBytes::kHttp1;
  return origin;
}

Origin unproved_origin() {
  Origin origin = opaque_origin();
  change(origin.process).tls_coverage = "attached";
  origin.session.state = SessionState::kEstablished;
  return origin;
}

Reason reason_among(std::vector<Origin> origins, bool is_front) {
  SettledExchange exchange;
  exchange.request.head.state = HeadState::kComplete;
  change(exchange.process).backend = "shop";
  exchange.provenance.peer_kind = PeerKind::kProcess;
  change(exchange.provenance.peer_process).front = is_front;
  exchange.provenance.upstream_seen = true;
  exchange.provenance.attribution = {"candidates", Confidence::kOneOf, static_cast<std::uint32_t>(origins.size())};
  exchange.provenance.origins = std::move(origins);
  const Config config;
  return Judge(config, HostAddresses{}).judge(exchange).reason;
}

TEST(Opaque, a_front_is_not_accused_of_what_it_hides) {
  EXPECT_EQ(reason_among({opaque_origin()}, true), Reason::kUnsupportedTlsLibrary);
  EXPECT_EQ(reason_among({opaque_origin(), opaque_origin()}, true), Reason::kUnsupportedTlsLibrary);
  EXPECT_EQ(reason_among({opaque_origin(), plaintext_origin()}, true), Reason::kAmbiguous);
}

TEST(Opaque, a_process_that_is_no_front_is_not_merely_distrusted) {
  EXPECT_EQ(reason_among({opaque_origin(), plaintext_origin()}, false), Reason::kUnsupportedTlsLibrary);
  EXPECT_EQ(reason_among({opaque_origin(), unproved_origin()}, false), Reason::kFrontNotTrusted) << "some of it can be seen";
  EXPECT_EQ(reason_among({plaintext_origin()}, false), Reason::kDirectConnection);
}

}  // namespace
}  // namespace mtlswatch
