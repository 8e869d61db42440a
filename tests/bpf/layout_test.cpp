// SPDX-License-Identifier: Apache-2.0
// The contract's structs have one layout: that of g++ here and that of clang in a BPF object.
#include <bpf/btf.h>
#include <gtest/gtest.h>
#include <mtlswatch/event.h>

#include <cstddef>
#include <fstream>
#include <map>
#include <memory>
#include <regex>
#include <set>
#include <string>

namespace mtlswatch {
namespace {

using Offsets = std::map<std::string, std::size_t>;
struct Layout {
  std::size_t bytes;
  Offsets members;
};

#define AT(member) \
  { #member, offsetof(This, member) }
#define HEADER AT(header)

Layout header_layout() {
  using This = mtlswatch_header;
  return {sizeof(This), {AT(kind), AT(size), AT(time_ns), AT(records_lost), AT(pid), AT(tid)}};
}

Layout connection_layout() {
  using This = mtlswatch_connection;
  return {sizeof(This),
          {HEADER, AT(cookie), AT(socket), AT(peer_socket), AT(cgroup_id), AT(netns), AT(uid), AT(peer_pid), AT(family),
           AT(role), AT(flags), AT(local_port), AT(remote_port), AT(reserved), AT(local_address), AT(remote_address),
           AT(comm), AT(path), AT(path_bytes)}};
}

Layout io_layout() {
  using This = mtlswatch_io;
  return {sizeof(This),
          {HEADER, AT(cookie), AT(position), AT(turn), AT(witness_cookie), AT(witness_position), AT(witness_turn),
           AT(length), AT(flags), AT(captured_bytes), AT(received), AT(data)}};
}

Layout close_layout() {
  using This = mtlswatch_close;
  return {sizeof(This), {HEADER, AT(cookie), AT(ending), AT(reserved)}};
}

Layout stream_layout() {
  using This = mtlswatch_stream;
  return {sizeof(This),
          {HEADER, AT(cookie), AT(ingress_cookie), AT(received_cookie), AT(received_position), AT(session_started_ns),
           AT(flags), AT(reserved)}};
}

Layout content_layout() {
  using This = mtlswatch_content;
  return {sizeof(This), {HEADER, AT(cookie), AT(position), AT(length), AT(captured_bytes), AT(data)}};
}

Layout handshake_layout() {
  using This = mtlswatch_handshake;
  return {sizeof(This),
          {HEADER, AT(cookie), AT(ssl), AT(started_ns), AT(result), AT(verify_code), AT(reason), AT(receive_result),
           AT(certificates), AT(flags), AT(driver), AT(verify_depth)}};
}

Layout certificate_layout() {
  using This = mtlswatch_certificate;
  return {sizeof(This), {HEADER, AT(cookie), AT(ssl), AT(index), AT(length), AT(offset), AT(captured_bytes), AT(data)}};
}

Layout session_layout() {
  using This = mtlswatch_session;
  return {sizeof(This),
          {HEADER, AT(cookie), AT(ssl), AT(session), AT(change), AT(flags), AT(verify_code), AT(server_name_bytes),
           AT(server_name)}};
}

Layout process_layout() {
  using This = mtlswatch_process;
  return {sizeof(This), {HEADER, AT(change), AT(parent_pid), AT(observed), AT(port), AT(reserved)}};
}

Layout probe_hits_layout() {
  using This = mtlswatch_probe_hits;
  return {sizeof(This), {AT(count), AT(last_ns)}};
}

Layout record_counter_layout() {
  using This = mtlswatch_record_counter;
  return {sizeof(This), {AT(submitted), AT(dropped)}};
}

#undef HEADER
#undef AT

const std::map<std::string, Layout>& layouts() {
  static const std::map<std::string, Layout> table = {
      {"mtlswatch_header", header_layout()},
      {"mtlswatch_connection", connection_layout()},
      {"mtlswatch_io", io_layout()},
      {"mtlswatch_close", close_layout()},
      {"mtlswatch_stream", stream_layout()},
      {"mtlswatch_content", content_layout()},
      {"mtlswatch_handshake", handshake_layout()},
      {"mtlswatch_certificate", certificate_layout()},
      {"mtlswatch_session", session_layout()},
      {"mtlswatch_process", process_layout()},
      {"mtlswatch_record_counter", record_counter_layout()},
      {"mtlswatch_probe_hits", probe_hits_layout()},
  };
  return table;
}

std::set<std::string> structs_of_contract() {
  static const std::regex definition(R"(^struct (\w+) \{)");
  std::ifstream file(MTLSWATCH_CONTRACT);
  std::set<std::string> names;
  std::smatch match;
  for (std::string line; std::getline(file, line);) {
    if (std::regex_search(line, match, definition)) names.insert(match[1]);
  }
  return names;
}

Offsets members_in_btf(const btf* types, const btf_type* type) {
  Offsets members;
  const btf_member* member = btf_members(type);
  for (std::uint32_t index = 0; index < btf_vlen(type); ++index) {
    members[btf__name_by_offset(types, member[index].name_off)] = btf_member_bit_offset(type, index) / 8;
  }
  return members;
}

class Contract : public testing::TestWithParam<std::string> {};

TEST(ContractTable, lists_every_struct_of_the_header_here) {
  std::set<std::string> listed;
  for (const auto& [name, layout] : layouts()) listed.insert(name);
  EXPECT_EQ(listed, structs_of_contract());
}

TEST_P(Contract, has_the_layout_of_the_compiled_object) {
  const std::unique_ptr<btf, decltype(&btf__free)> types(btf__parse(MTLSWATCH_CONTRACT_OBJECT, nullptr), btf__free);
  ASSERT_TRUE(types) << MTLSWATCH_CONTRACT_OBJECT;
  const int id = btf__find_by_name_kind(types.get(), GetParam().c_str(), BTF_KIND_STRUCT);
  ASSERT_GT(id, 0) << "contract.bpf.c lacks it";
  const btf_type* type = btf__type_by_id(types.get(), static_cast<std::uint32_t>(id));
  const Layout& here = layouts().at(GetParam());
  EXPECT_EQ(type->size, here.bytes);
  EXPECT_EQ(members_in_btf(types.get(), type), here.members);
}

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const auto& [name, layout] : layouts()) all.push_back(name);
  return all;
}

INSTANTIATE_TEST_SUITE_P(Structs, Contract, testing::ValuesIn(names()),
                         [](const auto& each) { return each.param.substr(sizeof "mtlswatch_" - 1); });

}  // namespace
}  // namespace mtlswatch
