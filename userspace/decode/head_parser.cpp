// SPDX-License-Identifier: Apache-2.0
#include "userspace/decode/head_parser.h"

#include <algorithm>
#include <utility>

#include "userspace/decode/head_print.h"
#include "userspace/decode/http_head.h"
#include "userspace/decode/request_line.h"
#include "userspace/decode/uwsgi_head.h"

namespace mtlswatch {

HeadExtent measure_head(std::string_view text, std::size_t searched) {
  if (may_be_uwsgi(text)) {
    const UwsgiPacket packet = read_uwsgi_packet(text);
    return {packet.complete() ? packet.size : 0, packet.state == UwsgiState::kInvalid};
  }
  const std::size_t end = http_head_end(text, searched > 2 ? searched - 2 : 0);
  const LineState line = read_request_line(end != 0 ? text.substr(0, end) : text).state;
  return {end, line == LineState::kInvalid || line == LineState::kUnsupported};
}

ParsedHead HeadParser::parse(std::string_view text, bool complete) const {
  if (may_be_uwsgi(text)) return parse_uwsgi_head(fields_, text);
  ParsedHead parsed = parse_http_head(fields_, text, complete);
  auto print = prints_ && complete ? print_head(text) : std::nullopt;
  if (print) parsed.head.print = std::make_shared<const HeadPrint>(std::move(*print));
  return parsed;
}

void HeadParser::keep(std::string_view text, const BufferMask& mask) const {
  if (!mask.wanted()) return;
  return may_be_uwsgi(text) ? keep_uwsgi_head(fields_, text, mask) : keep_http_head(fields_, text, mask);
}

}  // namespace mtlswatch
