// SPDX-License-Identifier: Apache-2.0
#include "userspace/decode/proxy_header.h"

#include <mtlswatch/event.h>

#include <algorithm>
#include <cstdint>

namespace mtlswatch {
namespace {

constexpr std::size_t kLongestV1 = 107;  // section 2.1
constexpr std::size_t kStartV2 = 16;     // section 2.2: signature, version, family, length

ProxyHeader read_v1(std::string_view text) {
  const auto end = text.substr(0, kLongestV1).find('\n');
  if (end != std::string_view::npos) return {ProxyHeader::State::kDone, end + 1};
  return {text.size() >= kLongestV1 ? ProxyHeader::State::kNone : ProxyHeader::State::kNeedsMore, 0};
}

ProxyHeader read_v2(std::string_view text) {
  if (text.size() < kStartV2) return {ProxyHeader::State::kNeedsMore, 0};
  const std::size_t bytes = kStartV2 + std::size_t{static_cast<std::uint8_t>(text[14])} * 256 + static_cast<std::uint8_t>(text[15]);
  if (bytes > MTLSWATCH_FIRST_BYTES) return {};
  return text.size() >= bytes ? ProxyHeader{ProxyHeader::State::kDone, bytes} : ProxyHeader{ProxyHeader::State::kNeedsMore, 0};
}

}  // namespace

ProxyHeader read_proxy_header(std::string_view text) {
  if (text.starts_with(kProxyV1)) return read_v1(text);
  if (text.starts_with(kProxyV2)) return read_v2(text);
  const bool may_become_one = kProxyV1.starts_with(text) || kProxyV2.starts_with(text);
  return {may_become_one ? ProxyHeader::State::kNeedsMore : ProxyHeader::State::kNone, 0};
}

void keep_proxy_header(std::string_view text, const ProxyHeader& header, const BufferMask& mask, std::size_t start) {
  if (header.state == ProxyHeader::State::kNone) return;
  const std::size_t end = header.state == ProxyHeader::State::kDone ? header.bytes : text.size();
  const bool is_binary = text[0] == '\r';
  mask.keep(start, start + std::min(end, is_binary ? kStartV2 : kProxyV1.size()));
  for (std::size_t at = 0; !is_binary && at < end; ++at) {
    if (text[at] == '\r' || text[at] == '\n') mask.keep(start + at, start + at + 1);
  }
}

}  // namespace mtlswatch
