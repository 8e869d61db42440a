// SPDX-License-Identifier: Apache-2.0
// POST over HTTP or HTTPS, one request at a time, each within bounded time. One thread owns it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/model/config.h"
#include "userspace/sink/delivery.h"

namespace mtlswatch {

class HttpClient {
 public:
  /// Uses output's url, ca_file, certificate_file, key_file and token_file. Errors: a file that cannot be read.
  static Result<HttpClient> open(const OutputConfig& output);
  HttpClient(HttpClient&&) noexcept;
  HttpClient& operator=(HttpClient&&) noexcept;
  ~HttpClient();

  /// kDone: 2xx. kRetry: no answer, 408, 429 or 5xx. kRefused: any other status.
  Attempt post(const std::string& url, const std::string& body, const std::vector<std::string>& headers,
               const ShouldAbort& should_abort);

 private:
  struct Handle;
  explicit HttpClient(std::unique_ptr<Handle> handle);
  std::unique_ptr<Handle> handle_;
};

}  // namespace mtlswatch
