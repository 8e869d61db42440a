// SPDX-License-Identifier: Apache-2.0
#include "userspace/sink/http_client.h"

#include <curl/curl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "userspace/base/small_file.h"

namespace mtlswatch {
namespace {

constexpr long kConnectMs = 5'000;
constexpr long kWholeMs = 15'000;

struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using HeaderList = std::unique_ptr<curl_slist, FreeList>;

/// What the peer answers is of no interest, however long it is.
std::size_t discard(char*, std::size_t size, std::size_t count, void*) { return size * count; }

int abort_if_stopping(void* should_abort, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return (*static_cast<const ShouldAbort*>(should_abort))() ? 1 : 0;
}

HeaderList header_list(const std::vector<std::string>& headers) {
  curl_slist* list = curl_slist_append(nullptr, "Expect:");
  list = curl_slist_append(list, "Content-Type: application/json");
  for (const std::string& header : headers) list = curl_slist_append(list, header.c_str());
  return HeaderList(list);
}

Attempt attempt_of(long status) {
  if (status >= 200 && status < 300) return {};
  const bool again = status == 408 || status == 429 || status >= 500;
  return {again ? Attempt::Result::kRetry : Attempt::Result::kRefused, "HTTP status " + std::to_string(status)};
}

}  // namespace

struct HttpClient::Handle {
  CURL* curl = nullptr;
  std::string authorization;
  std::array<char, CURL_ERROR_SIZE> error{};

  Handle() : curl(curl_easy_init()) {}
  Handle(const Handle&) = delete;
  ~Handle() { curl_easy_cleanup(curl); }

  void configure(const OutputConfig& output) {
    const auto set_file = [this](CURLoption option, const std::string& file) {
      if (!file.empty()) curl_easy_setopt(curl, option, file.c_str());
    };
    set_file(CURLOPT_CAINFO, output.ca_file);
    set_file(CURLOPT_SSLCERT, output.certificate_file);
    set_file(CURLOPT_SSLKEY, output.key_file);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, kConnectMs);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, kWholeMs);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "mtlswatch");
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, abort_if_stopping);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, discard);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error.data());
  }
};

HttpClient::HttpClient(std::unique_ptr<Handle> handle) : handle_(std::move(handle)) {}
HttpClient::HttpClient(HttpClient&&) noexcept = default;
HttpClient& HttpClient::operator=(HttpClient&&) noexcept = default;
HttpClient::~HttpClient() = default;

Result<HttpClient> HttpClient::open(const OutputConfig& output) {
  static const CURLcode kReady = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (kReady != CURLE_OK) return Error{std::string("libcurl: ") + curl_easy_strerror(kReady)};
  for (const std::string* file : {&output.ca_file, &output.certificate_file, &output.key_file}) {
    if (!file->empty() && ::access(file->c_str(), R_OK) != 0) return system_error("read " + *file, errno);
  }
  auto handle = std::make_unique<Handle>();
  if (handle->curl == nullptr) return Error{"libcurl: no handle"};
  if (!output.token_file.empty()) {
    auto token = read_secret(output.token_file);
    if (!token) return token.error();
    handle->authorization = "Authorization: Bearer " + *token;
  }
  handle->configure(output);
  return HttpClient(std::move(handle));
}

Attempt HttpClient::post(const std::string& url, const std::string& body, const std::vector<std::string>& headers,
                         const ShouldAbort& should_abort) {
  CURL* curl = handle_->curl;
  std::vector<std::string> all = headers;
  if (!handle_->authorization.empty()) all.push_back(handle_->authorization);
  const HeaderList list = header_list(all);
  handle_->error[0] = '\0';
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list.get());
  curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.data());
  curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, const_cast<ShouldAbort*>(&should_abort));
  const CURLcode code = curl_easy_perform(curl);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, nullptr);
  if (code != CURLE_OK) {
    const char* text = handle_->error[0] != '\0' ? handle_->error.data() : curl_easy_strerror(code);
    return {Attempt::Result::kRetry, text};
  }
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  return attempt_of(status);
}

}  // namespace mtlswatch
