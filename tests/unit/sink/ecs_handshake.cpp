// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/unit/sink/reports.h"
#include "tests/unit/builders/change.h"

namespace mtlswatch {
namespace {

using nlohmann::json;

TEST(EcsHandshake, says_when_and_what_happened) {
  const json event = written(handshake_report());
  EXPECT_EQ(at(event, "/@timestamp"), "2026-11-23T09:15:03.003825Z");
  EXPECT_EQ(at(event, "/event/start"), "2026-11-23T09:15:03.000000Z");
  EXPECT_EQ(at(event, "/event/end"), at(event, "/@timestamp"));
  EXPECT_EQ(at(event, "/event/duration"), 3'825'000);
  EXPECT_EQ(at(event, "/event/kind"), "event");
  EXPECT_EQ(at(event, "/event/category"), json({"network", "authentication"}));
  EXPECT_EQ(at(event, "/event/type"), json({"connection", "start", "allowed"}));
  EXPECT_EQ(at(event, "/event/action"), "tls-handshake");
  EXPECT_EQ(at(event, "/event/outcome"), "success");
  EXPECT_EQ(at(event, "/event/reason"), "established");
  EXPECT_EQ(at(event, "/event/dataset"), "mtlswatch.handshake");
  EXPECT_EQ(at(event, "/event/module"), "mtlswatch");
  EXPECT_EQ(at(event, "/event/id"), "hs-1");
  EXPECT_EQ(at(event, "/event/sequence"), 7);
  EXPECT_EQ(at(event, "/message"),
            "TLS handshake established, client certificate verified: CN=alice,OU=Shop,O=Example,C=US at nginx[4121] "
            "from 198.51.100.23");
}

TEST(EcsHandshake, names_agent_and_host) {
  const json event = written(handshake_report());
  EXPECT_EQ(at(event, "/ecs/version"), "9.4.0");
  EXPECT_EQ(at(event, "/agent"),
            json::parse(R"({"type":"mtlswatch","version":"0.1.0","id":"agent-1","name":"edge-1"})"));
  EXPECT_EQ(at(event, "/host"),
            json::parse(R"({"name":"edge-1","hostname":"edge-1","id":"2b1b6f0c","boot":{"id":"88a1f0a2"},
                                                "os":{"type":"linux","kernel":"6.1.0"}})"));
}

TEST(EcsHandshake, names_both_ends_and_the_process) {
  const json event = written(handshake_report());
  EXPECT_EQ(at(event, "/source"), json::parse(R"({"ip":"198.51.100.23","port":51544,"address":"198.51.100.23"})"));
  EXPECT_EQ(at(event, "/destination"),
            json::parse(R"({"ip":"203.0.113.10","port":443,"address":"203.0.113.10","domain":"api.example.org"})"));
  EXPECT_EQ(at(event, "/network"),
            json::parse(R"({"transport":"tcp","type":"ipv4","protocol":"tls","direction":"ingress"})"));
  EXPECT_EQ(at(event, "/process"), json::parse(R"({"pid":4121,"name":"nginx","executable":"/usr/bin/nginx",
                                                   "command_line":"nginx --serve","user":{"id":"33"},"parent":{"pid":1}})"));
  EXPECT_EQ(at(event, "/related"),
            json::parse(R"({"ip":["198.51.100.23","203.0.113.10"],"hash":["0687F666"],"user":["alice"]})"));
}

TEST(EcsHandshake, writes_tls_and_the_certificate) {
  const json event = written(handshake_report());
  EXPECT_EQ(at(event, "/tls"), json::parse(R"({
    "version":"1.3","version_protocol":"tls","cipher":"TLS_AES_256_GCM_SHA384","curve":"x25519","established":true,"resumed":false,
    "client":{"server_name":"api.example.org","hash":{"sha256":"0687F666"},
      "subject":"CN=alice,OU=Shop,O=Example,C=US","issuer":"CN=Example CA",
      "not_before":"1970-01-01T00:00:00Z","not_after":"2026-11-23T09:15:02Z",
      "x509":{"subject":{"distinguished_name":"CN=alice,OU=Shop,O=Example,C=US","common_name":["alice"],"organization":["Example"],
                         "organizational_unit":["Shop"],"country":["US"]},
        "issuer":{"distinguished_name":"CN=Example CA","common_name":["Example CA"]},
        "serial_number":"55FBB9C7","not_before":"1970-01-01T00:00:00Z","not_after":"2026-11-23T09:15:02Z",
        "signature_algorithm":"ECDSA-SHA256","public_key_algorithm":"ECDSA","public_key_curve":"P-256","public_key_size":256,
        "version_number":"3","alternative_names":["alice.example.org"]}}})"));
  EXPECT_EQ(at(event, "/mtlswatch"),
            json::parse(
                R"({"client_certificate":{"presented":true,"verify_code":0,"verify_text":"ok","tls_accepted":true,
      "chain":[{"subject":"CN=alice,OU=Shop,O=Example,C=US","issuer":"CN=Example CA","serial":"55FBB9C7","sha256":"0687F666"}]}})"));
}

TEST(EcsHandshake, lists_the_whole_chain_leaf_first) {
  HandshakeReport report = handshake_report();
  Certificate issuing;
  issuing.parsed = true;
  issuing.subject.text = "CN=Example CA";
  issuing.issuer.text = "CN=Example Root";
  issuing.serial_number = "02";
  issuing.sha256 = "CA";
  report.session.chain.push_back(issuing);
  report.session.chain.push_back(unparsed());
  const json chain = at(written(report), "/mtlswatch/client_certificate/chain");
  ASSERT_EQ(chain.size(), 3u);
  EXPECT_EQ(chain[0]["sha256"], "0687F666");
  EXPECT_EQ(chain[1], json::parse(R"({"subject":"CN=Example CA","issuer":"CN=Example Root","serial":"02","sha256":"CA"})"));
  EXPECT_EQ(chain[2], json::parse(R"({"sha256":"AB12"})"));
}

TEST(EcsHandshake, tells_what_the_client_offered) {
  HandshakeReport report = handshake_report();
  change(report.session.client_hello).alpn = {"h2", "http/1.1"};
  change(report.session.client_hello).has_early_data = true;
  change(report.session.client_hello).groups = {0x11EC, 0x001D};
  EXPECT_EQ(at(written(report), "/mtlswatch/client_hello"),
            json::parse(R"({"alpn":["h2","http/1.1"],"early_data":true,"supported_groups":["X25519MLKEM768","x25519"]})"));
}

TEST(EcsHandshake, keeps_the_facts_apart_when_nothing_was_sent) {
  HandshakeReport report = handshake_report();
  report.session.presented = false;
  report.session.verify_code = 0;  // X509_V_OK, though nothing was sent
  report.session.chain.clear();
  const json event = written(report);
  EXPECT_EQ(at(event, "/mtlswatch/client_certificate"),
            json::parse(R"({"presented":false,"verify_code":0,"verify_text":"ok","tls_accepted":true})"));
  EXPECT_FALSE(has(event, "/tls/client/x509"));
  EXPECT_FALSE(has(event, "/related/hash"));
  EXPECT_EQ(at(event, "/message"),
            "TLS handshake established, no client certificate at nginx[4121] from 198.51.100.23");
}

TEST(EcsHandshake, says_null_where_it_does_not_know) {
  HandshakeReport report;
  report.time_ns = kSecond;
  report.outcome = "unknown";
  report.reason = "abandoned";
  report.session.state = SessionState::kHandshaking;
  const json event = written(report);
  EXPECT_EQ(at(event, "/mtlswatch/client_certificate"),
            json::parse(R"({"presented":null,"verify_code":null,"verify_text":null,"tls_accepted":null})"));
  for (const char* absent :
       {"/source", "/destination", "/process", "/tls/version", "/tls/version_protocol", "/tls/cipher", "/tls/curve",
        "/tls/resumed", "/tls/client", "/tls/next_protocol", "/related", "/event/start", "/event/duration", "/event/id",
        "/network/transport", "/network/type"}) {
    EXPECT_FALSE(has(event, absent)) << absent;
  }
  EXPECT_EQ(at(event, "/event/type"), json({"connection", "start"}));
  EXPECT_EQ(at(event, "/message"), "TLS handshake not finished: abandoned");
}

TEST(EcsHandshake, says_why_it_failed) {
  HandshakeReport report = handshake_report();
  report.outcome = "failure";
  report.reason = "certificate_verify_failed";
  report.session.state = SessionState::kFailed;
  report.session.tls_accepted = false;
  report.session.verify_code = 10;
  const json event = written(report);
  EXPECT_EQ(at(event, "/event/type"), json({"connection", "start", "denied"}));
  EXPECT_EQ(at(event, "/tls/established"), false);
  EXPECT_EQ(at(event, "/mtlswatch/client_certificate/verify_code"), 10);
  EXPECT_EQ(at(event, "/mtlswatch/client_certificate/verify_text"), "certificate has expired");
  EXPECT_EQ(at(event, "/mtlswatch/client_certificate/tls_accepted"), false);
  EXPECT_EQ(at(event, "/message"), "TLS handshake failed: certificate_verify_failed at nginx[4121] from 198.51.100.23");
}

TEST(EcsHandshake, tells_how_deep_the_failure_is_where_only_one_certificate_can_be_meant) {
  const char* depth = "/mtlswatch/client_certificate/verify_depth";
  HandshakeReport report = handshake_report();
  report.session.resumed = false;
  for (const int code : {18, 20, 21}) {
    report.session.verify_code = code;
    EXPECT_EQ(at(written(report), depth), 0) << code;
  }
  report.session.verify_code = 10;  // an authority's that the server knows may have expired too
  EXPECT_FALSE(has(written(report), depth));
  report.session.verify_code = 20;
  report.session.resumed = true;  // of the first handshake's chain the leaf alone is known
  EXPECT_FALSE(has(written(report), depth));
}

TEST(EcsHandshake, tells_how_deep_the_failure_was_seen_to_be) {
  HandshakeReport report = handshake_report();
  report.session.verify_code = 20;
  report.session.verify_depth = 2;
  EXPECT_EQ(at(written(report), "/mtlswatch/client_certificate/verify_depth"), 2);
  report.session.verify_code = 0;
  EXPECT_FALSE(has(written(report), "/mtlswatch/client_certificate/verify_depth"));
}

TEST(EcsHandshake, tells_length_and_error_of_a_certificate_that_did_not_parse) {
  HandshakeReport report = handshake_report();
  report.session.chain = {unparsed()};
  report.session.verify_code = 99999;
  const json event = written(report);
  EXPECT_EQ(at(event, "/tls/client"), json::parse(R"({"server_name":"api.example.org","hash":{"sha256":"AB12"}})"));
  EXPECT_EQ(at(event, "/mtlswatch/client_certificate/length"), 20'000);
  EXPECT_EQ(at(event, "/mtlswatch/client_certificate/parse_error"), "too large");
  EXPECT_EQ(at(event, "/mtlswatch/client_certificate/verify_code"), 99999);
  EXPECT_TRUE(at(event, "/mtlswatch/client_certificate/verify_text").is_string());
}

TEST(EcsHandshake, leaves_out_a_validity_that_no_date_can_say) {
  HandshakeReport report = handshake_report();
  report.session.chain[0].not_before_s = INT64_MIN;
  report.session.chain[0].not_after_s = 253'402'300'800;
  const json event = written(report);
  EXPECT_FALSE(has(event, "/tls/client/not_before"));
  EXPECT_FALSE(has(event, "/tls/client/x509/not_before"));
  EXPECT_FALSE(has(event, "/tls/client/x509/not_after"));
  EXPECT_EQ(at(event, "/tls/client/x509/serial_number"), "55FBB9C7");
}

TEST(EcsHandshake, writes_resumption_and_alpn_only_when_known) {
  HandshakeReport report = handshake_report();
  report.session.resumed = true;
  change(report.session.server_hello).alpn = "h2";
  EXPECT_EQ(at(written(report), "/tls/resumed"), true);
  EXPECT_EQ(at(written(report), "/tls/next_protocol"), "h2");
  report.session.resumed.reset();
  EXPECT_FALSE(has(written(report), "/tls/resumed"));
}

}  // namespace
}  // namespace mtlswatch
