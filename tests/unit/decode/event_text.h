// SPDX-License-Identifier: Apache-2.0
// Events of the stream parsers as one line each, so that tests can compare sequences and print differences.
#pragma once

#include <string>
#include <type_traits>
#include <variant>

#include "userspace/base/hex.h"
#include "userspace/model/events.h"

namespace mtlswatch::test {

inline std::string join(std::initializer_list<std::string> parts) {
  std::string text;
  for (const std::string& part : parts) text += part + "|";
  return text;
}

inline std::string text_of(const RequestHead& head, bool with_query) {
  std::string text =
      join({std::to_string(static_cast<int>(head.state)), head.method, head.path, with_query ? head.query : "",
            head.version, head.host, head.request_id, head.correlation_id, head.trace_id, head.span_id,
            std::to_string(head.anomalies.content_length_with_transfer_encoding),
            std::to_string(head.anomalies.repeated_content_length), std::to_string(head.anomalies.obsolete_folding)});
  for (const HeaderField& field : head.identity_headers) text += join({field.name, field.value});
  return text;
}

/// Everything an event says; of a request's query only what with_query asks for.
inline std::string text_of(const Event& event, bool with_query = false) {
  const auto number = [](auto value) { return std::to_string(static_cast<long long>(value)); };
  return number(event.index()) + " " +
         std::visit(
             [&](const auto& value) -> std::string {
               using T = std::decay_t<decltype(value)>;
               if constexpr (std::is_same_v<T, RequestSeen>) {
                 return join({number(value.time_ns), number(value.id), number(value.position),
                              number(value.relative_position), text_of(value.head, with_query)});
               } else if constexpr (std::is_same_v<T, ResponseSeen>) {
                 return join(
                     {number(value.time_ns), number(value.id), number(value.status), number(value.first_of_turn)});
               } else if constexpr (std::is_same_v<T, ConnectionBegan>) {
                 return join({number(value.time_ns), number(value.id), number(value.kind)});
               } else if constexpr (std::is_same_v<T, ClientHelloSeen>) {
                 std::string text = join({number(value.time_ns), number(value.id), value.hello.server_name,
                                          to_hex(value.hello.session_id)});
                 for (const std::string& name : value.hello.alpn) text += name + ",";
                 return text;
               } else if constexpr (std::is_same_v<T, ServerHelloSeen>) {
                 return join({number(value.time_ns), number(value.id), number(value.hello.version),
                              number(value.hello.cipher_suite), number(value.hello.group)});
               } else if constexpr (std::is_same_v<T, Turn>) {
                 return join({number(value.time_ns), number(value.id), number(value.turn), number(value.position),
                              number(value.is_send), number(value.end_of_stream)});
               } else {
                 return {};
               }
             },
             event);
}

}  // namespace mtlswatch::test
