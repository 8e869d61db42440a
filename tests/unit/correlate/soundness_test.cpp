// SPDX-License-Identifier: Apache-2.0
// What correlation must not let policy conclude.
#include "tests/unit/builders/scene.h"

namespace mtlswatch {
namespace {

// A relay whose TLS no probe sees (Node, Go) may have verified its clients: they are candidates, not nothing.
TEST(Soundness, tls_that_no_probe_sees_is_a_candidate) {
  Scene scene;
  const ConnectionId client = scene.tls_client(40000);
  const auto [upstream, backend] = scene.upstream(5000);
  scene.receive(client, 2, 300);
  scene.send(upstream, 1, 7000, Witness{});
  scene.request(backend, 7000);
  scene.response(backend);
  scene.pass(2'100 * kMs);
  ASSERT_EQ(scene.settled().provenance.origins.size(), 1u);
  EXPECT_EQ(scene.settled().provenance.origins[0].id, client);
}

// TLS 1.3 post-handshake authentication and renegotiation change who the client is, outside of any handshake call.
TEST(Soundness, a_certificate_outside_a_handshake_makes_the_processs_sessions_uncertain) {
  Scene scene;
  const ConnectionId nobody = scene.client_without_certificate(40000);
  scene.give(PeerCertificate{++scene.now_ns, {kNginx, kNginx}, 0, 0, 0, {}});
  const auto [upstream, backend] = scene.upstream(5000);
  scene.receive(nobody, 2, 300);
  scene.send(upstream, 1, 7000, Witness{nobody, 2, 300});
  scene.request(backend, 7000);
  scene.response(backend);
  scene.send(nobody, 2, 900, Witness{upstream, 1, 1});
  ASSERT_EQ(scene.settled().provenance.origins.size(), 1u);
  EXPECT_TRUE(scene.settled().provenance.origins[0].identity_may_have_changed);
}

}  // namespace
}  // namespace mtlswatch
