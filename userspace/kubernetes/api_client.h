// SPDX-License-Identifier: Apache-2.0
// GET from the Kubernetes API server over HTTPS, one request at a time, each within bounded time. One thread owns it.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "userspace/base/result.h"
#include "userspace/model/config.h"

namespace mtlswatch {

class ApiClient {
 public:
  /// Bytes of a body, as they come. False: no more are wanted.
  using Take = std::function<bool(std::string_view)>;

  /// should_abort is asked once a second, and while bytes come. Errors: no server is known.
  static Result<ApiClient> open(const KubernetesConfig& config, std::function<bool()> should_abort);
  ApiClient(ApiClient&&) noexcept;
  ApiClient& operator=(ApiClient&&) noexcept;
  ~ApiClient();

  /// The HTTP status. The token is read anew for every request, since it is changed while a pod runs. Only the body of a
  /// 200 is handed over. Errors: no answer, or none to its end; none where take said no.
  Result<long> get(const std::string& path, std::chrono::seconds at_most, const Take& take);

 private:
  struct Handle;
  explicit ApiClient(std::unique_ptr<Handle> handle);
  std::unique_ptr<Handle> handle_;
};

}  // namespace mtlswatch
