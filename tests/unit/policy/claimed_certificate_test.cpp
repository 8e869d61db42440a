// SPDX-License-Identifier: Apache-2.0
// Every usual spelling of an identity, right and wrong. A false contradiction accuses an honest client.
#include "userspace/policy/claimed_certificate.h"

#include <gtest/gtest.h>

namespace mtlswatch {
namespace {

constexpr Comparison kYes = Comparison::kMatches, kNo = Comparison::kContradicts, kOpen = Comparison::kNotComparable;
constexpr char kAlice[] = "CN=alice,OU=Shop,O=Example,C=US";

struct NameRow {
  const char* claimed;
  const char* certified;
  Comparison expected;
};

TEST(ClaimedName, is_compared_in_both_orders_and_spellings) {
  const NameRow rows[] = {
      {kAlice, kAlice, kYes},
      {"C=US,O=Example,OU=Shop,CN=alice", kAlice, kYes},
      {"CN=alice, OU=Shop, O=Example, C=US", kAlice, kYes},
      {"CN = alice, OU = Shop, O = Example, C = US", kAlice, kYes},
      {"cn=alice;ou=Shop;o=Example;c=US", kAlice, kYes},
      {"/C=US/O=Example/OU=Shop/CN=alice", kAlice, kYes},
      {"CN=\"alice\",OU=Shop,O=Example,C=US", kAlice, kYes},
      {"CN=mallory,OU=Shop,O=Example,C=US", kAlice, kNo},
      {"CN=Alice,OU=Shop,O=Example,C=US", kAlice, kNo},
      {"/C=US/O=Example/OU=Shop/CN=mallory", kAlice, kNo},
      {"CN=alice", kAlice, kNo},
      {"CN=alice,OU=Shop,O=Example,C=US,CN=root", kAlice, kNo},
      {"OU=Shop,CN=alice,O=Example,C=US", kAlice, kNo},
      {"alice", kAlice, kOpen},
      {"", kAlice, kOpen},
      {"CN=alice,", kAlice, kOpen},
      {"CN=alice\\", kAlice, kOpen},
      {"1.2.3.4=alice,OU=Shop,O=Example,C=US", kAlice, kOpen},
  };
  for (const NameRow& row : rows) EXPECT_EQ(compare_names(row.claimed, row.certified), row.expected) << row.claimed;
}

TEST(ClaimedName, is_compared_after_unescaping) {
  const NameRow rows[] = {
      {"CN=M\\C3\\BCller\\, Jo,O=X", "CN=M\xC3\xBCller\\, Jo,O=X", kYes},
      {"/O=X/CN=M\\xC3\\xBCller, Jo", "CN=M\xC3\xBCller\\, Jo,O=X", kYes},
      {"CN=Muller\\, Jo,O=X", "CN=M\xC3\xBCller\\, Jo,O=X", kNo},
      {"emailAddress=a@b,CN=x", "E=a@b,CN=x", kYes},
      {"1.2.840.113549.1.9.1=a@b,CN=x", "emailAddress=a@b,CN=x", kYes},
      {"1.2.840.113549.1.9.1=#160361, CN=x", "emailAddress=a@b,CN=x", kOpen},
      {"CN=a+UID=7,O=X", "UID=7+CN=a,O=X", kYes},
      {"CN=a+UID=8,O=X", "UID=7+CN=a,O=X", kNo},
      {"/O=X/CN=host/alice", "CN=host/alice,O=X", kYes},
      {"/O=X/CN=a/CN=root", "CN=a/CN\\=root,O=X", kOpen},
  };
  for (const NameRow& row : rows) EXPECT_EQ(compare_names(row.claimed, row.certified), row.expected) << row.claimed;
}

struct ValueRow {
  const char* claimed;
  Comparison expected;
};

TEST(ClaimedSerial, folds_case_colons_zeros_and_base) {
  Certificate certificate;
  certificate.serial_number = "0A11CE";  // 659918
  const ValueRow rows[] = {{"0A11CE", kYes},   {"a11ce", kYes},       {"0x0a11ce", kYes},
                           {"0a:11:ce", kYes}, {"000000A11CE", kYes}, {"659918", kYes},
                           {"0A11CF", kNo},    {"A11CE0", kNo},       {"0", kNo},
                           {"serial", kOpen},  {"", kOpen},           {"-5", kOpen}};
  for (const ValueRow& row : rows) EXPECT_EQ(compare_serial(row.claimed, certificate), row.expected) << row.claimed;
}

TEST(ClaimedTime, is_read_as_nginx_haproxy_and_rfc_3339_write_it) {
  constexpr std::int64_t kTime = 1'795'425'302;  // 2026-11-23T09:15:02Z
  const ValueRow rows[] = {{"Nov 23 09:15:02 2026 GMT", kYes},
                           {"261123091502Z", kYes},
                           {"20261123091502Z", kYes},
                           {"2026-11-23T09:15:02Z", kYes},
                           {"Nov 23 09:15:03 2026 GMT", kNo},
                           {"271123091502Z", kNo},
                           {"tomorrow", kOpen},
                           {"Nov 23 09:15:02 2026 CET", kOpen}};
  for (const ValueRow& row : rows) EXPECT_EQ(compare_time(row.claimed, kTime), row.expected) << row.claimed;
}

/// Its DER is 30 03 02 01 05: no certificate, but hashes do not mind.
Certificate encoded() {
  Certificate certificate;
  certificate.parsed = true;
  certificate.sha256 = "417C7763C4E320A6B747B3CB0C6D22F93741B29A32B48594B8EB4C144FE6D729";
  certificate.sha1 = "0000000000000000000000000000000000000001";
  certificate.subject.text = kAlice;
  certificate.alternative_names = {"spiffe://example.org/alice"};
  return certificate;
}

TEST(ClaimedFingerprint, is_told_apart_by_length) {
  const ValueRow rows[] = {{"417c7763c4e320a6b747b3cb0c6d22f93741b29a32b48594b8eb4c144fe6d729", kYes},
                           {"00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:01", kYes},
                           {"0000000000000000000000000000000000000002", kNo},
                           {"00", kOpen},
                           {"sha256", kOpen}};
  for (const ValueRow& row : rows) EXPECT_EQ(compare_fingerprint(row.claimed, encoded()), row.expected) << row.claimed;
  Certificate unknown = encoded();
  unknown.sha1.clear();
  EXPECT_EQ(compare_fingerprint("0000000000000000000000000000000000000002", unknown), kOpen);
}

TEST(ClaimedCertificate, is_decoded_from_every_usual_encoding) {
  const ValueRow rows[] = {
      {"MAMCAQU=", kYes},
      {":MAMCAQU=:", kYes},
      {"-----BEGIN CERTIFICATE-----\nMAMC\nAQU=\n-----END CERTIFICATE-----\n", kYes},
      {"-----BEGIN CERTIFICATE----- MAMC AQU= -----END CERTIFICATE-----", kYes},
      {"-----BEGIN%20CERTIFICATE-----%0AMAMCAQU%3D%0A-----END%20CERTIFICATE-----%0A", kYes},
      {"MAMCAQU=,MAMCAQY=", kYes},
      {"MAMCAQY=", kNo},
      {":MAMCAQY=:", kNo},
      {"-----BEGIN CERTIFICATE----- MAMCAQU=", kOpen},
      {"AAMCAQU=", kOpen},
      {"MAMCAQ", kOpen},
      {"%", kOpen},
      {"", kOpen},
  };
  for (const ValueRow& row : rows) EXPECT_EQ(compare_encoded(row.claimed, encoded()), row.expected) << row.claimed;
}

TEST(ClaimedForwarded, holds_every_field_of_an_element_against_the_certificate) {
  const ValueRow rows[] = {
      {"By=spiffe://x/"
       "proxy;Hash=417c7763c4e320a6b747b3cb0c6d22f93741b29a32b48594b8eb4c144fe6d729;Subject=\"CN=alice,OU=Shop,O="
       "Example,C=US\"",
       kYes},
      {"Subject=\"\";URI=spiffe://example.org/alice", kYes},
      {"URI=spiffe://example.org/root", kNo},
      {"Hash=417c7763c4e320a6b747b3cb0c6d22f93741b29a32b48594b8eb4c144fe6d729;URI=spiffe://example.org/root", kNo},
      {"Cert=\"MAMCAQU%3D\"", kYes},
      {"URI=spiffe://example.org/root,URI=spiffe://example.org/alice", kOpen},
      {"URI=spiffe://example.org/alice,URI=spiffe://example.org/alice", kYes},
      {"URI=spiffe://example.org/root,URI=spiffe://example.org/mallory", kNo},
      {"By=spiffe://x/proxy", kOpen},
      {"Subject=\"CN=alice", kOpen},
      {"\\", kOpen},
  };
  for (const ValueRow& row : rows) EXPECT_EQ(compare_forwarded(row.claimed, encoded()), row.expected) << row.claimed;
}

}  // namespace
}  // namespace mtlswatch
