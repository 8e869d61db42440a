// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/unit/sink/reports.h"
#include "tests/unit/builders/change.h"

namespace mtlswatch {
namespace {

using nlohmann::json;

TEST(EcsRequest, says_who_is_behind_it) {
  const json event = written(request_report());
  EXPECT_EQ(at(event, "/mtlswatch/verdict"), "authenticated");
  EXPECT_EQ(at(event, "/event/reason"), "verified_client_certificate");
  EXPECT_EQ(at(event, "/mtlswatch/attribution"),
            json::parse(R"({"method":"request+response","confidence":"exact","candidates":1})"));
  EXPECT_EQ(at(event, "/tls/client/x509/subject/common_name"), json::array({"alice"}));
  EXPECT_EQ(at(event, "/tls/client/hash/sha256"), "0687F666");
  EXPECT_EQ(at(event, "/mtlswatch/client_certificate/presented"), true);
  EXPECT_EQ(at(event, "/message"), "GET /orders authenticated: CN=alice,OU=Shop,O=Example,C=US");
}

TEST(EcsRequest, says_when_and_what_happened) {
  const json event = written(request_report());
  EXPECT_EQ(at(event, "/@timestamp"), "2026-11-23T09:15:04.497215Z");
  EXPECT_EQ(at(event, "/event/start"), at(event, "/@timestamp"));
  EXPECT_EQ(at(event, "/event/end"), "2026-11-23T09:15:04.518665Z");
  EXPECT_EQ(at(event, "/event/duration"), 21'450'000);
  EXPECT_EQ(at(event, "/event/category"), json({"web", "network"}));
  EXPECT_EQ(at(event, "/event/type"), json({"access", "protocol"}));
  EXPECT_EQ(at(event, "/event/action"), "backend-request");
  EXPECT_EQ(at(event, "/event/dataset"), "mtlswatch.request");
  EXPECT_EQ(at(event, "/event/outcome"), "success");
  EXPECT_EQ(at(event, "/event/id"), "rq-1");
}

TEST(EcsRequest, names_client_listener_backend_and_worker) {
  const json event = written(request_report());
  EXPECT_EQ(at(event, "/source/ip"), "198.51.100.23");
  EXPECT_EQ(at(event, "/destination"),
            json::parse(R"({"ip":"2001:db8::1","port":443,"address":"2001:db8::1","domain":"api.example.org"})"));
  EXPECT_EQ(at(event, "/server"), json::parse(R"({"ip":"127.0.0.1","port":8000,"address":"127.0.0.1"})"));
  EXPECT_EQ(at(event, "/process/pid"), 7310);
  EXPECT_EQ(at(event, "/service/name"), "shop");
  EXPECT_EQ(at(event, "/related/ip"), json({"198.51.100.23", "2001:db8::1", "127.0.0.1"}));
  EXPECT_EQ(at(event, "/network"),
            json::parse(R"({"transport":"tcp","type":"ipv4","protocol":"http","direction":"ingress"})"));
}

TEST(EcsRequest, writes_the_head_without_its_query) {
  const json event = written(request_report());
  EXPECT_EQ(
      at(event, "/http"),
      json::parse(R"({"version":"1.1","request":{"method":"GET","id":"7b7c0f0c"},"response":{"status_code":200}})"));
  EXPECT_EQ(at(event, "/url"), json::parse(R"({"path":"/orders","domain":"api.example.org"})"));
  EXPECT_EQ(at(event, "/trace/id"), "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(at(event, "/span/id"), "00f067aa0ba902b7");
  EXPECT_EQ(at(event, "/mtlswatch/request"), json::parse(R"({"head":"complete"})"));
  EXPECT_EQ(ecs_json(request_report(), test_context()).find("secret"), std::string::npos);
}

TEST(EcsRequest, writes_the_query_when_asked_for) {
  SinkContext context = test_context();
  context.write_query = true;
  EXPECT_EQ(at(written(request_report(), context), "/url/query"), "token=secret");
}

TEST(EcsRequest, tells_the_pod_of_each_process_as_far_as_it_is_known) {
  const std::string id(64, 'a');
  const std::string uid = "dde1244b-5bb5-4297-b544-85f3bc0d80bf";
  Pod pod;
  pod.uid = uid;
  pod.name = "shop-x";
  pod.labels = {{"app", "shop"}, {"app.kubernetes.io/name", "shop"}};
  pod.owner_kind = "StatefulSet";
  pod.owner_name = "shop";
  pod.containers = {{id, "web", "host:5000/shop@sha256:00", "cri-o"}};
  PodDirectory pods;
  pods.put(pod);
  RequestReport report = request_report();
  change(report.process).cgroup = "/kubepods/pod" + uid + "/" + id;
  change(report.hops[0].process).cgroup = "/docker/" + id;
  SinkContext context = test_context();
  const json unknown = written(report, context);
  EXPECT_EQ(at(unknown, "/orchestrator"), json::parse(R"({"type":"kubernetes","resource":{"type":"pod","id":")" + uid + "\"}}"));
  EXPECT_EQ(at(unknown, "/kubernetes"), json::parse(R"({"pod":{"uid":")" + uid + "\"}}"));
  EXPECT_EQ(at(unknown, "/container"), json({{"id", id}}));
  EXPECT_EQ(at(unknown, "/mtlswatch/hops/0/container"), json({{"id", id}, {"runtime", "docker"}}));
  context.pods = &pods;
  const json known = written(report, context);
  EXPECT_EQ(at(known, "/kubernetes/labels"), json::parse(R"({"app":"shop","app_kubernetes_io/name":"shop"})"));
  EXPECT_EQ(at(known, "/kubernetes/statefulset/name"), "shop");
  EXPECT_EQ(at(known, "/orchestrator/resource/label"), json({"app:shop", "app.kubernetes.io/name:shop"}));
  EXPECT_EQ(at(known, "/container"), json::parse(R"({"id":")" + id + R"(","runtime":"cri-o","name":"web","image":{"name":"host:5000/shop"}})"));
}

TEST(EcsRequest, writes_labels_as_keys_that_come_once_and_need_no_escapes) {
  const std::string uid = "dde1244b-5bb5-4297-b544-85f3bc0d80bf";
  Pod pod;
  pod.uid = uid;
  pod.labels = {{"a.b/c-d", "first"}, {"a_b/c-d", "second"}, {"q\"\n\xc3\xa4", "odd"}};
  PodDirectory pods;
  pods.put(pod);
  RequestReport report = request_report();
  change(report.process).cgroup = "/kubepods/pod" + uid + "/" + std::string(64, 'a');
  SinkContext context = test_context();
  context.pods = &pods;
  EXPECT_NE(ecs_json(report, context).find(R"("labels":{"a_b/c-d":"first","q____":"odd"})"), std::string::npos);
}

TEST(EcsRequest, lists_hops_and_claims) {
  const json event = written(request_report());
  json x509 = at(event, "/tls/client/x509");
  ASSERT_EQ(at(event, "/mtlswatch/hops").size(), 1u);
  EXPECT_EQ(at(event, "/mtlswatch/hops/0"),
            json({{"process", {{"pid", 4121}, {"name", "nginx"}, {"executable", "/usr/bin/nginx"}}},
                  {"source", {{"ip", "198.51.100.23"}, {"port", 51544}, {"address", "198.51.100.23"}}},
                  {"destination", {{"ip", "2001:db8::1"}, {"port", 443}, {"address", "2001:db8::1"}}},
                  {"tls", {{"established", true}, {"resumed", false}, {"client", {{"x509", x509}}}}},
                  {"evidence", "response witness"}}));
  EXPECT_EQ(at(event, "/mtlswatch/claims"),
            json::parse(R"([{"header":"X-SSL-Client-S-DN","kind":"subject","value":"CN=alice","result":"matches"}])"));
}

TEST(EcsRequest, always_has_hops_and_claims_even_if_none) {
  const json event = written(direct_report());
  EXPECT_EQ(at(event, "/mtlswatch/hops"), json::array());
  EXPECT_EQ(at(event, "/mtlswatch/claims"), json::array());
}

TEST(EcsRequest, names_the_process_that_connected_directly) {
  const json event = written(direct_report());
  EXPECT_EQ(at(event, "/mtlswatch/peer/process"), json::parse(R"({"pid":123,"name":"curl","executable":"/usr/bin/curl",
    "user":{"id":"33"},"cgroup":"/system.slice/curl.service"})"));
  EXPECT_EQ(at(event, "/process/pid"), 7310);
  EXPECT_EQ(at(event, "/message"), "POST /x bypassed mTLS: direct_connection by curl[123]");
  EXPECT_EQ(at(event, "/related/ip"), json::array({"127.0.0.1"}));
  for (const char* absent :
       {"/tls", "/related/hash", "/related/user", "/mtlswatch/client_certificate", "/destination/domain"}) {
    EXPECT_FALSE(has(event, absent)) << absent;
  }
}

TEST(EcsRequest, does_not_make_root_of_a_user_that_nobody_read) {
  RequestReport report = direct_report();
  report.peer_process.reset();
  change(report.peer_process).pid = 123;
  EXPECT_EQ(at(written(report), "/mtlswatch/peer/process"), json::parse(R"({"pid":123})"));
  change(report.peer_process).name = "curl";  // read, and root
  EXPECT_EQ(at(written(report), "/mtlswatch/peer/process/user/id"), "0");
}

TEST(EcsRequest, shows_the_certificate_at_its_hop_alone_when_it_is_not_the_identity) {
  RequestReport report = request_report();
  report.certificate.reset();
  report.attribution = {"candidates", Confidence::kOneOf, 3};
  const json event = written(report);
  EXPECT_FALSE(has(event, "/tls/client/x509"));
  EXPECT_FALSE(has(event, "/tls/client/hash"));
  EXPECT_FALSE(has(event, "/tls/client/subject"));
  EXPECT_FALSE(has(event, "/related/user"));
  EXPECT_TRUE(has(event, "/mtlswatch/hops/0/tls/client/x509"));
  EXPECT_EQ(at(event, "/message"), "GET /orders authenticated: one of 3 clients");
}

TEST(EcsRequest, writes_unix_sockets_as_addresses) {
  RequestReport report = direct_report();
  report.server = endpoint("unix:/run/app.sock");
  report.source.reset();
  report.destination.reset();
  const json event = written(report);
  EXPECT_EQ(at(event, "/server"), json::parse(R"({"address":"/run/app.sock"})"));
  EXPECT_EQ(at(event, "/network"), json::parse(R"({"protocol":"http","direction":"ingress"})"));
  EXPECT_FALSE(has(event, "/related"));
}

TEST(EcsRequest, leaves_out_what_nobody_saw) {
  RequestReport report;
  report.time_ns = kSecond;
  report.reason = Reason::kUnseenRequest;
  const json event = written(report);
  EXPECT_EQ(at(event, "/mtlswatch"),
            json::parse(R"({"verdict":"unknown","attribution":{"method":"none","confidence":"none","candidates":0},
                                                     "hops":[],"claims":[]})"));
  for (const char* absent : {"/source", "/destination", "/server", "/process", "/service", "/http", "/url", "/trace",
                             "/span", "/tls", "/related", "/event/end", "/event/duration"}) {
    EXPECT_FALSE(has(event, absent)) << absent;
  }
  EXPECT_EQ(at(event, "/event/outcome"), "unknown");
  EXPECT_EQ(at(event, "/message"), "request unknown: unseen_request");
}

TEST(EcsRequest, says_how_bad_an_ambiguous_one_may_be) {
  RequestReport report = request_report();
  report.verdict = Verdict::kUnknown;
  report.reason = Reason::kAmbiguous;
  report.worst_case = Verdict::kBypass;
  EXPECT_EQ(at(written(report), "/mtlswatch/worst_case"), "bypass");
  EXPECT_FALSE(has(written(request_report()), "/mtlswatch/worst_case"));
}

TEST(EcsRequest, flags_heads_that_were_cut_or_smuggle) {
  RequestReport report = request_report();
  report.head.state = HeadState::kCut;
  report.head.anomalies = {true, true, true};
  EXPECT_EQ(at(written(report), "/mtlswatch/request"), json::parse(R"({"head":"cut","anomalies":
    ["content_length_with_transfer_encoding","repeated_content_length","obsolete_folding"]})"));
}

TEST(EcsRequest, takes_the_correlation_id_where_there_is_no_request_id) {
  RequestReport report = request_report();
  report.head.request_id.clear();
  report.head.correlation_id = "c-1";
  EXPECT_EQ(at(written(report), "/http/request/id"), "c-1");
}

TEST(EcsRequest, tells_the_outcome_by_the_status) {
  RequestReport report = request_report();
  report.status = 399;
  EXPECT_EQ(at(written(report), "/event/outcome"), "success");
  report.status = 400;
  EXPECT_EQ(at(written(report), "/event/outcome"), "failure");
  report.status = 0;
  EXPECT_EQ(at(written(report), "/event/outcome"), "unknown");
  EXPECT_FALSE(has(written(report), "/http/response"));
}

TEST(EcsRequest, is_one_line_of_json_whatever_the_client_sent) {
  RequestReport report = request_report();
  report.head.path = "/\xff\n\"\\\xe2\x82";
  report.head.method = "GE\rT";
  report.claims[0].value = std::string("\0\x80", 2);
  change(report.process).command_line = "\x1b[31m";
  const std::string line = ecs_json(report, test_context());
  EXPECT_EQ(line.find_first_of("\n\r\x1b"), std::string::npos);
  EXPECT_EQ(at(json::parse(line), "/url/path"), "/\xEF\xBF\xBD\n\"\\\xEF\xBF\xBD\xEF\xBF\xBD");
}

}  // namespace
}  // namespace mtlswatch
