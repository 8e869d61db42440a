// SPDX-License-Identifier: Apache-2.0
#include "userspace/kubernetes/api_client.h"

#include <curl/curl.h>

#include <array>
#include <cstdlib>

#include "userspace/base/small_file.h"

namespace mtlswatch {
namespace {

constexpr long kConnectMs = 10'000;
constexpr long kOk = 200;

struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

/// What the kubelet puts into the environment of every container.
Result<std::string> server_url(const KubernetesConfig& config) {
  if (!config.api_server.empty()) return config.api_server;
  const char* host = std::getenv("KUBERNETES_SERVICE_HOST");
  const char* port = std::getenv("KUBERNETES_SERVICE_PORT");
  if (host == nullptr || port == nullptr) {
    return Error{"kubernetes: this is no pod (KUBERNETES_SERVICE_HOST is not in the environment): set kubernetes.api_server"};
  }
  const std::string name = host;
  return "https://" + (name.find(':') == std::string::npos ? name : "[" + name + "]") + ":" + port;
}

}  // namespace

struct ApiClient::Handle {
  CURL* curl = nullptr;
  std::string server;
  std::string token_file;
  std::function<bool()> should_abort;
  const Take* take = nullptr;
  bool was_enough = false;
  std::array<char, CURL_ERROR_SIZE> error{};

  Handle() : curl(curl_easy_init()) {}
  Handle(const Handle&) = delete;
  ~Handle() { curl_easy_cleanup(curl); }

  static std::size_t on_bytes(char* bytes, std::size_t size, std::size_t count, void* self) {
    auto& handle = *static_cast<Handle*>(self);
    long status = 0;
    curl_easy_getinfo(handle.curl, CURLINFO_RESPONSE_CODE, &status);
    handle.was_enough = status == kOk && !(*handle.take)({bytes, size * count});
    return handle.was_enough ? 0 : size * count;
  }

  static int on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    return static_cast<Handle*>(self)->should_abort() ? 1 : 0;
  }

  void configure(const KubernetesConfig& config) {
    curl_easy_setopt(curl, CURLOPT_CAINFO, config.ca_file.c_str());
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, kConnectMs);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "mtlswatch");
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, this);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, this);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error.data());
  }
};

ApiClient::ApiClient(std::unique_ptr<Handle> handle) : handle_(std::move(handle)) {}
ApiClient::ApiClient(ApiClient&&) noexcept = default;
ApiClient& ApiClient::operator=(ApiClient&&) noexcept = default;
ApiClient::~ApiClient() = default;

Result<ApiClient> ApiClient::open(const KubernetesConfig& config, std::function<bool()> should_abort) {
  static const CURLcode kReady = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (kReady != CURLE_OK) return Error{std::string("libcurl: ") + curl_easy_strerror(kReady)};
  auto server = server_url(config);
  if (!server) return server.error();
  auto handle = std::make_unique<Handle>();
  if (handle->curl == nullptr) return Error{"libcurl: no handle"};
  handle->server = std::move(*server);
  handle->token_file = config.token_file;
  handle->should_abort = std::move(should_abort);
  handle->configure(config);
  return ApiClient(std::move(handle));
}

Result<long> ApiClient::get(const std::string& path, std::chrono::seconds at_most, const Take& take) {
  const auto token = read_secret(handle_->token_file);
  if (!token) return token.error();
  CURL* curl = handle_->curl;
  const std::unique_ptr<curl_slist, FreeList> headers(curl_slist_append(
      curl_slist_append(nullptr, "Accept: application/json"), ("Authorization: Bearer " + *token).c_str()));
  handle_->take = &take;
  handle_->was_enough = false;
  handle_->error[0] = '\0';
  curl_easy_setopt(curl, CURLOPT_URL, (handle_->server + path).c_str());
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl, CURLOPT_TIMEOUT, static_cast<long>(at_most.count()));
  const CURLcode code = curl_easy_perform(curl);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, nullptr);
  if (code != CURLE_OK && !handle_->was_enough)
    return Error{handle_->error[0] != '\0' ? handle_->error.data() : curl_easy_strerror(code)};
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  return status;
}

}  // namespace mtlswatch
