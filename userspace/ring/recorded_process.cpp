// SPDX-License-Identifier: Apache-2.0
#include "userspace/ring/recorded_process.h"

#include <algorithm>
#include <string>

#include "userspace/ring/little_endian.h"

namespace mtlswatch {
namespace {

constexpr std::size_t kStringBytes = 4096;
constexpr std::size_t kListEntries = 1024;

/// Appends fields. A list is its length, then its entries.
class FieldWriter {
 public:
  void field(const std::uint32_t& value) { append_integer(bytes, value); }
  void field(const std::uint64_t& value) { append_integer(bytes, value); }
  void field(const std::uint16_t& value) { append_integer(bytes, value); }
  void field(const int& value) { append_integer(bytes, static_cast<std::uint32_t>(value)); }
  void field(const bool& value) { bytes.push_back(value ? 1 : 0); }
  void field(const std::string& text) {
    const std::size_t count = std::min(text.size(), kStringBytes);
    append_integer(bytes, static_cast<std::uint32_t>(count));
    bytes.insert(bytes.end(), text.begin(), text.begin() + static_cast<std::ptrdiff_t>(count));
  }
  void field(const IpAddress& ip) {
    field(ip.is_v4);
    bytes.insert(bytes.end(), ip.bytes.begin(), ip.bytes.end());
  }
  template <typename T>
  void list(const std::vector<T>& entries) {
    const std::size_t count = std::min(entries.size(), kListEntries);
    append_integer(bytes, static_cast<std::uint32_t>(count));
    for (std::size_t index = 0; index < count; ++index) visit(*this, entries[index]);
  }

  std::vector<std::uint8_t> bytes;
};

/// Reads what FieldWriter wrote. After the first failure every field keeps its default and failed stays set.
class FieldReader {
 public:
  explicit FieldReader(std::span<const std::uint8_t> bytes) : rest(bytes) {}

  void field(std::uint32_t& value) { integer(value); }
  void field(std::uint64_t& value) { integer(value); }
  void field(std::uint16_t& value) { integer(value); }
  void field(int& value) {
    std::uint32_t bits = 0;
    integer(bits);
    value = static_cast<int>(bits);
  }
  void field(bool& value) {
    std::uint8_t byte = 0;
    integer(byte);
    value = byte != 0;
  }
  void field(std::string& text) {
    const auto bytes = take(count(kStringBytes));
    text.assign(bytes.begin(), bytes.end());
  }
  void field(IpAddress& ip) {
    field(ip.is_v4);
    const auto bytes = take(ip.bytes.size());
    std::copy(bytes.begin(), bytes.end(), ip.bytes.begin());
  }
  template <typename T>
  void list(std::vector<T>& entries) {
    const std::size_t wanted = count(kListEntries);
    for (std::size_t index = 0; index < wanted && !failed; ++index) visit(*this, entries.emplace_back());
  }

  std::span<const std::uint8_t> rest;
  bool failed = false;

 private:
  /// Empty on failure.
  std::span<const std::uint8_t> take(std::size_t bytes) {
    failed = failed || bytes > rest.size();
    if (failed) return {};
    const auto taken = rest.first(bytes);
    rest = rest.subspan(bytes);
    return taken;
  }
  template <typename T>
  void integer(T& value) {
    const auto bytes = take(sizeof(T));
    if (!bytes.empty()) value = load_integer<T>(bytes.data());
  }
  std::size_t count(std::size_t highest) {
    std::uint32_t value = 0;
    integer(value);
    failed = failed || value > highest;
    return failed ? 0 : value;
  }
};

void visit(auto& archive, auto& value) requires requires { value.score; }
{
  archive.field(value.score);
  archive.field(value.reason);
}

void visit(auto& archive, auto& value) requires requires { value.port; }
{
  archive.field(value.ip);
  archive.field(value.port);
  archive.field(value.path);
}

/// The one list of what is kept, for both directions. A new field goes to the end and raises the recording's format.
void visit(auto& archive, auto& facts) requires requires { facts.pid; }
{
  archive.field(facts.pid);
  archive.field(facts.parent_pid);
  archive.field(facts.start_time_ticks);
  archive.field(facts.name);
  archive.field(facts.executable);
  archive.field(facts.command_line);
  archive.field(facts.cgroup);
  archive.field(facts.uid);
  archive.field(facts.executable_root_owned);
  archive.field(facts.backend);
  archive.field(facts.front);
  archive.field(facts.front_reason);
  archive.field(facts.known_proxy);
  archive.field(facts.tls_coverage);
  archive.field(facts.tls_coverage_reason);
  archive.list(facts.clues);
  archive.list(facts.listeners);
}

}  // namespace

std::vector<std::uint8_t> encode_process(const ProcessFacts& facts) {
  FieldWriter writer;
  visit(writer, facts);
  return std::move(writer.bytes);
}

Result<ProcessFacts> decode_process(std::span<const std::uint8_t> payload) {
  FieldReader reader(payload);
  ProcessFacts facts;
  visit(reader, facts);
  if (reader.failed) return Error{"process facts of the recording: cut, or beyond a limit"};
  if (!reader.rest.empty()) return Error{"process facts of the recording: bytes left over"};
  return facts;
}

}  // namespace mtlswatch
