// SPDX-License-Identifier: Apache-2.0
#include "userspace/probe/stream_points.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "userspace/probe/call_sites.h"
#include "userspace/probe/elf_image.h"

namespace mtlswatch {
namespace {

struct WantedPoint {
  const char* proxy;
  StreamPurpose purpose;
  const char* symbol;
  unsigned arguments;  ///< RegisterBits that the kernel program reads at its entry; kResult: behind its call
  const char* caller;  ///< of a result: inside this function alone; null: wherever it is called
};

// Another proxy is more rows. HAProxy: names and arguments of 2.6 and later. nginx: of all versions; a build that exports no
// symbols and has none is left to its sockets.
constexpr WantedPoint kWanted[] = {
    {"haproxy", StreamPurpose::kCheckSide, "sc_new_from_check", kResult, nullptr},
    {"haproxy", StreamPurpose::kStreamSide, "sc_new_from_strm", kResult, "stream_new"},
    {"haproxy", StreamPurpose::kClientGone, "session_free", kArgument1, nullptr},
    {"haproxy", StreamPurpose::kUpstream, "tcp_connect_server", kArgument1, nullptr},
    {"haproxy", StreamPurpose::kStreamAttach, "sc_attach_mux", kArgument1 | kArgument3, nullptr},
    {"haproxy", StreamPurpose::kStream, "stream_new", kArgument1, nullptr},
    {"haproxy", StreamPurpose::kClientSession, "session_new", kResult, "session_accept_fd"},
    {"nginx", StreamPurpose::kPeer, "ngx_event_connect_peer", kArgument1, nullptr},
    {"nginx", StreamPurpose::kForwarding, "ngx_http_upstream_create_round_robin_peer", kArgument1, nullptr},
    {"nginx", StreamPurpose::kForwarding, "ngx_http_upstream_init", kArgument1, nullptr},
};

/// Places the points of one executable.
class Placer {
 public:
  Placer(const ElfImage& image, Disassembler disassembler) : image_(image), reader_(image, std::move(disassembler)) {}

  Status place(const WantedPoint& wanted) {
    const auto function = image_.function(wanted.symbol);
    if (!function) return Error{std::string(wanted.symbol) + ": not in this file"};
    return wanted.arguments == kResult ? place_results(wanted, function->address) : place_entry(wanted, function->address);
  }
  std::vector<StreamPoint> take() { return std::move(points_); }

 private:
  Status place_entry(const WantedPoint& wanted, std::uint64_t function) {
    const auto cheap = reader_.first_emulated(function, wanted.arguments);
    return add(wanted, cheap ? cheap->address : function);
  }

  Status place_results(const WantedPoint& wanted, std::uint64_t function) {
    const CallSites sites = reader_.find_calls({{}, {function}});
    std::size_t placed = 0;
    for (const Instruction& call : sites.confirmed) {
      if (!is_inside(call.address, wanted.caller)) continue;
      if (call.flow != Flow::kCall) return Error{std::string(wanted.symbol) + ": the result of a tail jump goes elsewhere"};
      if (reader_.is_jump_target(call.end())) return Error{std::string(wanted.symbol) + ": returns to where other paths arrive"};
      const auto cheap = reader_.first_emulated(call.end(), kResult);
      if (const Status status = add(wanted, cheap ? cheap->address : call.end()); !status) return status;
      ++placed;
    }
    const bool all = sites.unconfirmed.empty() && (wanted.caller ? placed == 1 : placed > 0);
    return all ? Status(Done{}) : Error{std::string(wanted.symbol) + ": its calls were not found"};
  }

  bool is_inside(std::uint64_t address, const char* caller) const {
    if (caller == nullptr) return true;
    const auto start = image_.function(caller);
    const auto& starts = image_.function_starts();
    const auto next = std::upper_bound(starts.begin(), starts.end(), address);
    return start && next != starts.begin() && *std::prev(next) == start->address;
  }

  Status add(const WantedPoint& wanted, std::uint64_t address) {
    const auto offset = image_.file_offset(address);
    const auto instruction = reader_.instruction_at(address);
    if (!offset || !instruction) return Error{std::string(wanted.symbol) + ": not an instruction in executable code"};
    points_.push_back({wanted.purpose, wanted.symbol, *offset, instruction->cost == InstructionClass::kEmulated});
    return Done{};
  }

  const ElfImage& image_;
  CodeReader reader_;
  std::vector<StreamPoint> points_;
};

}  // namespace

StreamWitness stream_witness_of(const std::string& known_proxy) {
  if (known_proxy == "nginx") return StreamWitness::kOnDemand;
  const bool is_known = std::any_of(std::begin(kWanted), std::end(kWanted), [&](const WantedPoint& row) { return row.proxy == known_proxy; });
  return is_known ? StreamWitness::kAlways : StreamWitness::kNone;
}

Result<std::vector<StreamPoint>> find_stream_points(const std::string& known_proxy, const std::string& path) {
  const auto image = ElfImage::open(path);
  if (!image) return image.error();
  auto disassembler = Disassembler::open();
  if (!disassembler) return disassembler.error();
  Placer placer(*image, std::move(*disassembler));
  for (const WantedPoint& wanted : kWanted) {
    if (wanted.proxy != known_proxy) continue;
    if (const Status status = placer.place(wanted); !status) return status.error();
  }
  return placer.take();
}

}  // namespace mtlswatch
