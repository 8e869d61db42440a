// SPDX-License-Identifier: Apache-2.0
#include "userspace/policy/access.h"

#include <gmock/gmock.h>

#include "userspace/policy/request_path.h"
#include "tests/unit/builders/change.h"

namespace mtlswatch {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::int64_t kNow = 1'795'425'302;

RequestReport authenticated(std::int64_t not_after_s = kNow + 1) {
  RequestReport report;
  report.backend = "shop";
  report.verdict = Verdict::kAuthenticated;
  report.reason = Reason::kVerifiedClientCertificate;
  report.head.state = HeadState::kComplete;
  report.head.method = "GET";
  report.head.path = "/orders";
  Certificate leaf;
  leaf.parsed = true;
  leaf.subject.text = "CN=alice,O=Example";
  leaf.issuer.text = "CN=Example CA";
  leaf.alternative_names = {"spiffe://example.org/alice"};
  leaf.not_after_s = not_after_s;
  report.certificate = std::make_shared<Certificate>(leaf);
  return report;
}

RequestReport direct(const char* path = "/healthz") {
  RequestReport report = authenticated();
  report.certificate.reset();
  report.verdict = Verdict::kBypass;
  report.reason = Reason::kDirectConnection;
  report.head.path = path;
  report.source = Endpoint{*parse_ip("10.1.2.3"), 40000, {}};
  ProcessFacts& peer = change(report.peer_process);
  peer.executable = "/usr/bin/kubelet";
  peer.uid = 0;
  peer.cgroup = "/system.slice/kubelet.service";
  return report;
}

ExemptionConfig by_source() {
  ExemptionConfig exemption;
  exemption.name = "monitor";
  exemption.owner = "ops@example.org";
  exemption.expires_s = kNow + 1;
  exemption.method = "GET";
  exemption.path = "/healthz";
  exemption.source = *parse_cidr("10.1.0.0/16");
  return exemption;
}

ExemptionConfig by_process() {
  ExemptionConfig exemption = by_source();
  exemption.source.reset();
  exemption.process = ExemptionConfig::Process{"/usr/bin/kubelet", 0, "/system.slice/kubelet*"};
  return exemption;
}

Config with(const ExemptionConfig& exemption) {
  Config config;
  config.exemptions = {exemption};
  return config;
}

Config with(const BackendConfig& backend) {
  Config config;
  config.backends = {backend};
  config.backends[0].name = "shop";
  return config;
}

RequestReport judged(const Config& config, RequestReport report) {
  apply_policy(config, kNow, report);
  return report;
}

TEST(RequestPath, is_normalised_only_where_nobody_can_read_it_otherwise) {
  EXPECT_EQ(normalised_path("/healthz"), "/healthz");
  EXPECT_EQ(normalised_path("/he%61lthz/"), "/healthz/");
  EXPECT_EQ(normalised_path("/"), "/");
  for (const char* path : {"", "healthz", "//healthz", "/a//b", "/./a", "/a/..", "/%2e%2e/a", "/a%2fb", "/a%00", "/a;x",
                           "/a\\b", "/a%", "/a%4", "/\xC3\xA9", "*"})
    EXPECT_EQ(normalised_path(path), std::nullopt) << path;
}

TEST(Glob, stands_for_any_run_and_nothing_else_is_special) {
  EXPECT_TRUE(matches_glob("spiffe://example.org/*", "spiffe://example.org/a/b"));
  EXPECT_TRUE(matches_glob("CN=a[1]\\,x,O=?", "CN=a[1]\\,x,O=E"));
  EXPECT_FALSE(matches_glob("CN=a[1]", "CN=a1"));
  EXPECT_FALSE(matches_glob("CN=alice", "CN=alice,O=Example"));
}

TEST(Exemption, lets_a_process_or_a_source_go_and_says_whose_it_is) {
  for (const ExemptionConfig& exemption : {by_source(), by_process()}) {
    const RequestReport report = judged(with(exemption), direct());
    EXPECT_EQ(report.verdict, Verdict::kExempt);
    ASSERT_TRUE(report.exemption);
    EXPECT_EQ(report.exemption->name, "monitor");
    EXPECT_EQ(report.exemption->owner, "ops@example.org");
    EXPECT_EQ(report.reason, Reason::kDirectConnection);
  }
}

TEST(Exemption, does_nothing_when_any_part_of_it_differs) {
  const auto still_bypass = [](const ExemptionConfig& exemption, const RequestReport& report) {
    return judged(with(exemption), report).verdict == Verdict::kBypass;
  };
  ExemptionConfig changed = by_source();
  changed.enabled = false;
  EXPECT_TRUE(still_bypass(changed, direct())) << "disabled";
  changed = by_source();
  changed.expires_s = kNow;
  EXPECT_TRUE(still_bypass(changed, direct())) << "expired";
  changed = by_source();
  changed.backend = "other";
  EXPECT_TRUE(still_bypass(changed, direct())) << "another backend's";
  changed = by_source();
  changed.method = "POST";
  EXPECT_TRUE(still_bypass(changed, direct())) << "method";
  for (const char* path : {"/healthz/", "/healthz/../admin", "//healthz", "/admin", "/healthz%2f"})
    EXPECT_TRUE(still_bypass(by_source(), direct(path))) << path;
  RequestReport report = direct();
  report.source->ip = *parse_ip("10.2.0.1");
  EXPECT_TRUE(still_bypass(by_source(), report)) << "source";
  report = direct();
  change(report.peer_process).uid = 1000;
  EXPECT_TRUE(still_bypass(by_process(), report)) << "uid";
  report = direct();
  change(report.peer_process).cgroup = "/user.slice";
  EXPECT_TRUE(still_bypass(by_process(), report)) << "cgroup";
  report = direct();
  report.peer_process.reset();
  EXPECT_TRUE(still_bypass(by_process(), report)) << "nobody knows the process";
}

TEST(Exemption, never_covers_a_false_identity_a_cut_head_or_an_authenticated_request) {
  RequestReport spoofed = direct();
  spoofed.claims = {{"X-SSL-Client-Subject", "subject", "CN=root", "contradicts"}};
  EXPECT_EQ(judged(with(by_source()), spoofed).verdict, Verdict::kBypass);
  RequestReport contradicted = direct();
  contradicted.reason = Reason::kIdentityHeaderSpoofed;
  EXPECT_EQ(judged(with(by_source()), contradicted).verdict, Verdict::kBypass);
  RequestReport cut = direct();
  cut.head.state = HeadState::kCut;
  EXPECT_EQ(judged(with(by_source()), cut).verdict, Verdict::kBypass);
  RequestReport known = authenticated();
  known.head.path = "/healthz";
  known.source = direct().source;
  EXPECT_EQ(judged(with(by_source()), known).verdict, Verdict::kAuthenticated);
}

TEST(PublicPath, is_exempt_exactly) {
  BackendConfig backend;
  PathPolicy& policy = backend.paths.emplace_back();
  policy.path = "/healthz";
  policy.access.is_public = true;
  const RequestReport report = judged(with(backend), direct());
  EXPECT_EQ(report.verdict, Verdict::kExempt);
  EXPECT_EQ(report.exemption->name, "public_path");
  EXPECT_EQ(judged(with(backend), direct("/healthz/../admin")).verdict, Verdict::kBypass);
  EXPECT_EQ(judged(with(backend), direct("/healthz2")).verdict, Verdict::kBypass);
}

TEST(Access, names_what_it_does_not_expect) {
  BackendConfig backend;
  backend.access.issuers = {"CN=Example CA"};
  backend.access.subjects = {"spiffe://example.org/*"};
  EXPECT_THAT(judged(with(backend), authenticated()).violations, IsEmpty());
  backend.access.subjects = {"CN=alice,*"};
  EXPECT_THAT(judged(with(backend), authenticated()).violations, IsEmpty());
  backend.access.subjects = {"CN=bob,*", "spiffe://example.org/bob"};
  backend.access.issuers = {"CN=Other CA"};
  const RequestReport report = judged(with(backend), authenticated());
  EXPECT_THAT(report.violations, ElementsAre("unexpected_issuer", "unexpected_subject"));
  EXPECT_EQ(report.verdict, Verdict::kAuthenticated) << "mTLS held; who came is another question";
}

TEST(Access, of_a_path_cannot_be_evaded_by_spelling_the_path_otherwise) {
  BackendConfig backend;
  PathPolicy& policy = backend.paths.emplace_back();
  policy.path = "/admin/*";
  policy.access.subjects = {"CN=root,*"};
  RequestReport request = authenticated();
  EXPECT_THAT(judged(with(backend), request).violations, IsEmpty());
  for (const char* path : {"/admin/users", "/%61dmin/users", "//admin/users", "/x/../admin/users"}) {
    request.head.path = path;
    EXPECT_THAT(judged(with(backend), request).violations, ElementsAre("unexpected_subject")) << path;
  }
}

TEST(Access, flags_a_certificate_that_expired_after_its_handshake) {
  RequestReport report = authenticated(kNow);
  report = judged({}, report);
  EXPECT_THAT(report.violations, ElementsAre("certificate_expired"));
  EXPECT_EQ(report.verdict, Verdict::kAuthenticated);
}

}  // namespace
}  // namespace mtlswatch
