// SPDX-License-Identifier: Apache-2.0
#include "userspace/sink/webhook.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <time.h>

#include <algorithm>
#include <cctype>

#include "userspace/base/hex.h"
#include "userspace/base/small_file.h"
#include "userspace/sink/http_client.h"

namespace mtlswatch {
namespace {

constexpr std::size_t kMostAtOnce = 100;

void append_list(std::string& body, const char* key, std::span<const Message> messages, bool alerts) {
  std::string list;
  for (const Message& message : messages) {
    if (message.alert.has_value() == alerts) list += (list.empty() ? "" : ",") + message.json;
  }
  if (!list.empty()) body += std::string(",\"") + key + "\":[" + list + "]";
}

class Webhook final : public Delivery {
 public:
  Webhook(HttpClient client, std::string url, std::string secret)
      : client_(std::move(client)), url_(std::move(url)), secret_(std::move(secret)) {}

  std::size_t most_at_once() const override { return kMostAtOnce; }

  Attempt deliver(std::span<const Message> messages, const ShouldAbort& should_abort) override {
    const std::string body = webhook_body(messages);
    std::vector<std::string> headers = {"X-Mtlswatch-Event-Id: " + messages.front().event_id};
    if (!secret_.empty())
      headers.push_back("X-Mtlswatch-Signature: " + webhook_signature(secret_, body, ::time(nullptr)));
    return client_.post(url_, body, headers, should_abort);
  }

 private:
  HttpClient client_;
  std::string url_;
  std::string secret_;
};

}  // namespace

std::string webhook_body(std::span<const Message> messages) {
  std::string body = "{\"version\":\"1\"";
  append_list(body, "alerts", messages, true);
  append_list(body, "events", messages, false);
  return body + "}";
}

std::string webhook_signature(const std::string& secret, const std::string& body, std::int64_t seconds) {
  const std::string signed_text = std::to_string(seconds) + "." + body;
  std::uint8_t digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(signed_text.data()), signed_text.size(), digest, &size);
  std::string hex = to_hex(std::span(digest, size));
  std::transform(hex.begin(), hex.end(), hex.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return "t=" + std::to_string(seconds) + ",v1=" + hex;
}

Result<std::unique_ptr<Delivery>> open_webhook(const OutputConfig& output) {
  auto client = HttpClient::open(output);
  if (!client) return client.error();
  std::string secret;
  if (!output.secret_file.empty()) {
    auto text = read_secret(output.secret_file);
    if (!text) return text.error();
    secret = std::move(*text);
  }
  return std::unique_ptr<Delivery>(std::make_unique<Webhook>(std::move(*client), output.url, std::move(secret)));
}

}  // namespace mtlswatch
