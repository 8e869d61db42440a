// SPDX-License-Identifier: Apache-2.0
// The head of an HTTP/1.x request as a backend read it. Only what the output contract may show is kept.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "userspace/model/content.h"

namespace mtlswatch {

struct HeaderField {
  std::string name;   ///< as sent
  std::string value;  ///< surrounding white space removed
};

/// How far a request head could be read.
enum class HeadState {
  kComplete,      ///< to its blank line
  kCut,           ///< the prefix limit or a loss ended it: what is here is true, what is missing is unknown
  kInvalid,       ///< not HTTP/1.x: RFC 9112 section 3
  kUnsupported,   ///< another protocol (HTTP/2 preface, uwsgi)
  kEncrypted,     ///< TLS that the backend ends itself: nothing of the request can be read
};

/// Framing anomalies worth a flag: RFC 9112 section 6.1 and 11.2 (request smuggling).
struct HeadAnomalies {
  bool content_length_with_transfer_encoding = false;
  bool repeated_content_length = false;
  bool obsolete_folding = false;
  bool operator==(const HeadAnomalies&) const = default;
};

struct RequestHead {
  HeadState state = HeadState::kInvalid;
  std::string method;
  std::string path;   ///< request target up to '?', as sent
  std::string query;  ///< after '?'; dropped by the sinks unless asked for
  std::string version;  ///< "1.1"
  std::string host;   ///< Host without port, lower case
  std::string request_id;      ///< X-Request-ID
  std::string correlation_id;  ///< X-Correlation-ID
  std::string trace_id;        ///< from traceparent (W3C Trace Context), 32 hex digits
  std::string span_id;
  std::vector<HeaderField> identity_headers;  ///< those the policy watches, in order
  HeadAnomalies anomalies;
  std::shared_ptr<const HeadPrint> print;  ///< null: nobody asks, or there is doubt how the head is read
};

}  // namespace mtlswatch
