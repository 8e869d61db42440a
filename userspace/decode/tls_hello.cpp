// SPDX-License-Identifier: Apache-2.0
#include "userspace/decode/tls_hello.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <vector>

#include "userspace/base/cursor.h"
#include "userspace/decode/characters.h"

namespace mtlswatch {
namespace {

using Bytes = std::span<const std::uint8_t>;

constexpr std::uint8_t kHandshakeRecord = 22;
constexpr std::uint8_t kClientHello = 1;
constexpr std::uint8_t kServerHello = 2;
constexpr std::size_t kAlpnNames = 16;
constexpr std::size_t kGroups = 64;
constexpr std::size_t kNameBytes = 255;

/// Extension numbers: IANA "TLS ExtensionType Values".
enum Extension : std::uint32_t {
  kServerName = 0,
  kSupportedGroups = 10,
  kAlpn = 16,
  kSessionTicket = 35,
  kPreSharedKey = 41,
  kEarlyData = 42,
  kSupportedVersions = 43,
  kKeyShare = 51,
};

/// RFC 8446 section 4.1.3: SHA-256 of "HelloRetryRequest" in place of the random.
constexpr std::array<std::uint8_t, 32> kRetryRandom = {0xCF, 0x21, 0xAD, 0x74, 0xE5, 0x9A, 0x61, 0x11, 0xBE, 0x1D, 0x8C,
                                                       0x02, 0x1E, 0x65, 0xB8, 0x91, 0xC2, 0xA2, 0x11, 0x16, 0x7A, 0xBB,
                                                       0x8C, 0x5E, 0x07, 0x9E, 0x09, 0xE2, 0xC8, 0xA8, 0x33, 0x9C};

/// One handshake message, as far as it is there.
struct Message {
  bool valid = true;
  bool complete = false;
  std::vector<std::uint8_t> bytes;  ///< with its header
  std::size_t wire_bytes = 0;       ///< that it takes up, record headers included
};

constexpr std::size_t kRecordHeader = 5;
constexpr std::size_t kMessageHeader = 4;

/// Bytes of the message with its header, as the header says; the header's own size while that is not there.
std::size_t message_size(Bytes joined) {
  Cursor cursor(joined);
  const auto type = cursor.integer(1);
  const auto length = cursor.integer(3);
  return type && length ? kMessageHeader + *length : kMessageHeader;
}

/// Joins the fragments of the handshake records at the front of bytes up to the end of the first message.
Message read_message(Bytes bytes, std::uint8_t type) {
  Message message;
  Cursor cursor(bytes);
  while (!cursor.done()) {
    Cursor next = cursor;
    const auto record = next.integer(1);
    const auto version = next.integer(2);
    const auto length = next.integer(2);
    if (*record != kHandshakeRecord || (version && *version >> 8 != 3) || (length && *length == 0)) break;
    message.wire_bytes = bytes.size();
    if (!length) break;
    Cursor fragment(*next.take(std::min<std::size_t>(*length, next.left())));
    while (!fragment.done() && message.bytes.size() < message_size(message.bytes)) {
      const auto part = *fragment.take(std::min(fragment.left(), message_size(message.bytes) - message.bytes.size()));
      message.bytes.insert(message.bytes.end(), part.begin(), part.end());
    }
    message.wire_bytes = bytes.size() - next.left() - fragment.left();
    message.complete = message.bytes.size() >= kMessageHeader && message.bytes.size() == message_size(message.bytes);
    if (message.complete) break;
    cursor = next;
  }
  message.valid = bytes.empty() || (message.wire_bytes != 0 && (message.bytes.empty() || message.bytes[0] == type));
  if (!message.valid) message.wire_bytes = std::min(bytes.size(), kRecordHeader + 1);
  return message;
}

Bytes body_of(const Message& message) {
  return Bytes(message.bytes).subspan(std::min(message.bytes.size(), kMessageHeader));
}

std::string printable_name(Bytes name) {
  const std::string_view text = as_text(name);
  const bool printable =
      std::all_of(text.begin(), text.end(), [](char byte) { return is_printable(byte) && byte != ' '; });
  return printable && text.size() <= kNameBytes ? std::string(text) : std::string();
}

/// RFC 6066 section 3: the first host_name of the list.
std::string server_name(Bytes data) {
  const auto list = Cursor(data).vector(2);
  for (Cursor cursor(list.value_or(Bytes{})); !cursor.done();) {
    const auto type = cursor.integer(1);
    const auto name = cursor.vector(2);
    if (!name) break;
    if (*type == 0) return lowered(printable_name(*name));
  }
  return {};
}

/// RFC 7301 section 3.1.
std::vector<std::string> alpn_names(Bytes data) {
  std::vector<std::string> names;
  const auto list = Cursor(data).vector(2);
  for (Cursor cursor(list.value_or(Bytes{})); !cursor.done() && names.size() < kAlpnNames;) {
    const auto name = cursor.vector(1);
    if (!name) break;
    std::string text = printable_name(*name);
    if (!text.empty()) names.push_back(std::move(text));
  }
  return names;
}

/// RFC 8446 section 4.2.7. Reserved numbers of RFC 8701 (GREASE) are left out.
std::vector<std::uint16_t> group_numbers(Bytes data) {
  std::vector<std::uint16_t> groups;
  const auto list = Cursor(data).vector(2);
  for (Cursor cursor(list.value_or(Bytes{})); groups.size() < kGroups;) {
    const auto group = cursor.integer(2);
    if (!group) break;
    const bool reserved = (*group & 0x0f0f) == 0x0a0a && *group >> 8 == (*group & 0xff);
    if (!reserved) groups.push_back(static_cast<std::uint16_t>(*group));
  }
  return groups;
}

/// Calls visit(type, data, whole) for each extension that is there; the last may be a part of one.
template <typename Visit>
void for_each_extension(Cursor cursor, Visit visit) {
  const auto total = cursor.integer(2);
  if (!total) return;
  Cursor extensions(*cursor.take(std::min<std::size_t>(*total, cursor.left())));
  while (!extensions.done()) {
    const auto type = extensions.integer(2);
    const auto length = extensions.integer(2);
    if (!length) return;
    const bool whole = *length <= extensions.left();
    visit(*type, *extensions.take(std::min<std::size_t>(*length, extensions.left())), whole);
  }
}

void read_client_extension(std::uint32_t type, Bytes data, bool whole, ClientHello& hello) {
  if (type == kPreSharedKey) hello.has_pre_shared_key = true;
  if (type == kEarlyData) hello.has_early_data = true;
  if (type == kSessionTicket && !data.empty()) hello.has_session_ticket = true;
  if (type == kServerName && whole) hello.server_name = server_name(data);
  if (type == kAlpn && whole) hello.alpn = alpn_names(data);
  if (type == kSupportedGroups && whole) hello.groups = group_numbers(data);
}

void read_server_extension(std::uint32_t type, Bytes data, bool whole, ServerHello& hello) {
  const auto first = Cursor(data).integer(2);
  if (type == kPreSharedKey) hello.selected_pre_shared_key = true;
  if (type == kSupportedVersions && first) hello.version = static_cast<std::uint16_t>(*first);
  if (type == kKeyShare && first) hello.group = static_cast<std::uint16_t>(*first);
  if (type != kAlpn || !whole) return;
  const auto names = alpn_names(data);
  if (!names.empty()) hello.alpn = names.front();
}

/// Fixed fields up to the session id, which both hellos share. Nothing if they are not all there.
std::optional<Bytes> read_start(Cursor& cursor, std::uint32_t& version, Bytes& random) {
  const auto legacy_version = cursor.integer(2);
  const auto random_bytes = cursor.take(32);
  if (!legacy_version || !random_bytes) return std::nullopt;
  version = *legacy_version;
  random = *random_bytes;
  return cursor.vector(1);
}

template <typename Hello>
HelloState state_of(const Message& message, const HelloParse<Hello>& parse) {
  if (!message.complete) return HelloState::kNeedsMore;
  return parse.useful ? HelloState::kDone : HelloState::kInvalid;
}

}  // namespace

HelloParse<ClientHello> parse_client_hello(std::span<const std::uint8_t> bytes) {
  HelloParse<ClientHello> parse;
  const Message message = read_message(bytes, kClientHello);
  parse.wire_bytes = message.wire_bytes;
  if (!message.valid) parse.state = HelloState::kInvalid;
  if (!message.valid) return parse;
  Cursor cursor(body_of(message));
  std::uint32_t version = 0;
  Bytes random;
  const auto session = read_start(cursor, version, random);
  parse.useful = session && session->size() <= 32;
  if (parse.useful) {
    parse.hello.session_id.assign(session->begin(), session->end());
    std::copy(random.begin(), random.end(), parse.hello.random.begin());
    const bool lists = cursor.vector(2) && cursor.vector(1);  // cipher suites, compression methods
    const auto visit = [&](std::uint32_t type, Bytes data, bool whole) {
      read_client_extension(type, data, whole, parse.hello);
    };
    if (lists) for_each_extension(cursor, visit);
    parse.hello.cut = !message.complete;
  }
  parse.state = state_of(message, parse);
  return parse;
}

HelloParse<ServerHello> parse_server_hello(std::span<const std::uint8_t> bytes) {
  HelloParse<ServerHello> parse;
  const Message message = read_message(bytes, kServerHello);
  parse.wire_bytes = message.wire_bytes;
  if (!message.valid) parse.state = HelloState::kInvalid;
  if (!message.valid) return parse;
  Cursor cursor(body_of(message));
  std::uint32_t version = 0;
  Bytes random;
  const auto session = read_start(cursor, version, random);
  const auto suite = session ? cursor.integer(2) : std::nullopt;
  parse.useful = suite && session->size() <= 32;
  if (parse.useful) {
    ServerHello& hello = parse.hello;
    hello.session_id.assign(session->begin(), session->end());
    hello.cipher_suite = static_cast<std::uint16_t>(*suite);
    hello.is_retry_request = std::equal(random.begin(), random.end(), kRetryRandom.begin());
    // Suites 0x13xx exist in TLS 1.3 alone: true even where the supported_versions extension was not reached.
    hello.version = static_cast<std::uint16_t>(*suite >> 8 == 0x13 ? 0x0304 : version);
    const auto visit = [&](std::uint32_t type, Bytes data, bool whole) {
      read_server_extension(type, data, whole, hello);
    };
    if (cursor.integer(1)) for_each_extension(cursor, visit);
    hello.cut = !message.complete;
  }
  parse.state = state_of(message, parse);
  return parse;
}

}  // namespace mtlswatch
