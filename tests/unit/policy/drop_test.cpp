// SPDX-License-Identifier: Apache-2.0
// The sudden drop: told with its cause, and never for keep-alive, a quiet night or a slow decline.
#include "tests/unit/policy/rules_fixture.h"

namespace mtlswatch {
namespace {

class DropTest : public RulesTest {
 protected:
  void SetUp() override {
    engine.on_process(nginx(10));
    engine.on_process(nginx(11));
  }

  /// A minute of usual life: 60 requests of verified clients on 30 connections.
  void usual_minute() {
    for (int i = 0; i < 60; ++i) {
      if (i % 2 == 0) see(handshake());
      see(request());
      pass(1);
    }
  }

  template <typename Act>
  void minute(Act act) {
    for (int i = 0; i < 60; ++i) {
      act();
      pass(1);
    }
  }

  std::string told() const {
    for (const AlertReport& alert : all) {
      if (alert.rule_id == "MTLS-1007") return alert.cause;
    }
    return "nothing";
  }
};

TEST_F(DropTest, is_told_once_and_ends) {
  for (int i = 0; i < 5; ++i) usual_minute();
  for (int i = 0; i < 3; ++i) minute([&] { see(bypass(Reason::kNoClientCertificate)); });
  EXPECT_EQ(count("MTLS-1007"), 1u);
  EXPECT_EQ(told(), "the proxy forwards clients without a verified certificate");
  for (int i = 0; i < 7; ++i) usual_minute();
  EXPECT_EQ(count("MTLS-1007", "resolved"), 1u);
}

TEST_F(DropTest, names_expired_certificates) {
  for (int i = 0; i < 5; ++i) usual_minute();
  minute([&] {
    HandshakeReport report = handshake();
    report.session.verify_code = 10;
    see(report);
  });
  minute([&] { see(failure("alert_certificate_expired")); });
  EXPECT_EQ(told(), "certificates expired");
}

TEST_F(DropTest, tells_traffic_that_moved_past_the_proxy_from_a_proxy_that_is_gone) {
  for (int i = 0; i < 5; ++i) usual_minute();
  minute([&] { see(bypass(Reason::kDirectConnection)); });
  minute([&] { see(bypass(Reason::kDirectConnection)); });
  EXPECT_EQ(told(), "traffic moved past the proxy");
}

TEST_F(DropTest, names_a_proxy_that_is_gone) {
  for (int i = 0; i < 5; ++i) usual_minute();
  engine.on_exit(10);
  engine.on_exit(11);
  minute([&] { see(bypass(Reason::kDirectConnection)); });
  minute([&] { see(bypass(Reason::kDirectConnection)); });
  EXPECT_EQ(told(), "proxy gone");
}

TEST_F(DropTest, is_not_told_for_keep_alive_connections_without_new_handshakes) {
  for (int i = 0; i < 5; ++i) usual_minute();
  for (int i = 0; i < 5; ++i) minute([&] { see(request()); });
  EXPECT_EQ(told(), "nothing");
}

TEST_F(DropTest, is_not_told_for_a_quiet_night_nor_for_a_few_strangers_in_it) {
  for (int i = 0; i < 5; ++i) usual_minute();
  see(bypass(Reason::kNoClientCertificate));
  pass(600);
  EXPECT_EQ(told(), "nothing");
}

TEST_F(DropTest, is_not_told_for_bypasses_beside_the_usual_traffic) {
  for (int i = 0; i < 5; ++i) usual_minute();
  for (int i = 0; i < 3; ++i) {
    minute([&] {
      see(bypass(Reason::kDirectConnection));
      see(handshake());
      see(request());
    });
  }
  EXPECT_EQ(told(), "nothing");
}

TEST_F(DropTest, is_not_told_before_anything_is_usual) {
  for (int i = 0; i < 2; ++i) usual_minute();
  minute([&] { see(bypass(Reason::kNoClientCertificate)); });
  EXPECT_EQ(told(), "nothing");
}

}  // namespace
}  // namespace mtlswatch
