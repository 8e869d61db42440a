// SPDX-License-Identifier: Apache-2.0
#include "userspace/sink/alertmanager.h"

#include <time.h>

#include <algorithm>

#include "userspace/sink/http_client.h"
#include "userspace/sink/json_writer.h"
#include "userspace/sink/timestamp.h"

namespace mtlswatch {
namespace {

constexpr std::string_view kPath = "/api/v2/alerts";
constexpr std::int64_t kMissedReminders = 4;  ///< until Alertmanager may forget an active alert

const char* severity_label(Severity severity) {
  if (severity == Severity::kLow) return "info";
  return severity == Severity::kCritical ? "critical" : "warning";
}

/// Labels are an alert's identity for Alertmanager: nothing in them may change while the incident goes on.
void write_labels(JsonWriter& json, const SinkContext& context, const AlertReport& alert) {
  const auto labels = json.object("labels");
  json.text("alertname", alert.rule_name);
  json.text("rule_id", alert.rule_id);
  json.text("severity", severity_label(alert.severity));
  json.text("service", alert.backend);
  json.text("reason", alert.reason);
  json.text("host", context.host_name);
  json.text("fingerprint", alert.fingerprint);
}

void write_annotations(JsonWriter& json, const AlertReport& alert) {
  const auto annotations = json.object("annotations");
  json.text("summary", alert.message);
  json.text("description", alert.description);
  json.text("cause", alert.cause);
  if (alert.source) json.text("source", alert.source->is_unix() ? alert.source->path : alert.source->ip.text());
  if (alert.certificate) json.text("certificate", alert.certificate->subject.text);
  json.text("count", std::to_string(alert.count));
  std::string evidence;
  for (const std::string& id : alert.evidence) evidence += (evidence.empty() ? "" : " ") + id;
  json.text("evidence", evidence);
}

class Alertmanager final : public Delivery {
 public:
  Alertmanager(HttpClient client, const OutputConfig& output, const SinkContext& context)
      : client_(std::move(client)), url_(output.url), resend_s_(output.resend_s), state_(context) {
    while (url_.ends_with('/')) url_.pop_back();
    if (!url_.ends_with(kPath)) url_ += kPath;
  }

  std::size_t most_at_once() const override { return AlertmanagerState::kAlerts; }
  std::chrono::milliseconds repeat_every() const override { return std::chrono::seconds(resend_s_); }

  /// Takes at once, whether Alertmanager answers or not: an end that is lost would leave its alert active for ever.
  Attempt deliver(std::span<const Message> messages, const ShouldAbort&) override {
    for (const Message& message : messages) {
      if (message.alert) state_.take(*message.alert);
    }
    return {};
  }

  Attempt repeat(const ShouldAbort& should_abort) override {
    if (state_.empty()) return {};
    Attempt attempt = client_.post(url_, state_.body(::time(nullptr) + kMissedReminders * resend_s_), {}, should_abort);
    if (attempt.result == Attempt::Result::kDone) state_.told();
    return attempt;
  }

 private:
  HttpClient client_;
  std::string url_;
  std::int64_t resend_s_;
  AlertmanagerState state_;
};

}  // namespace

void AlertmanagerState::take(const AlertReport& alert) {
  alerts_[alert.fingerprint] = alert;
  if (alerts_.size() <= kAlerts) return;
  alerts_.erase(std::min_element(alerts_.begin(), alerts_.end(), [](const auto& a, const auto& b) {
    return a.second.last_seen_ns < b.second.last_seen_ns;
  }));
}

std::string AlertmanagerState::body(std::int64_t active_until_s) const {
  fmt::memory_buffer buffer;
  buffer.push_back('[');
  for (const auto& [fingerprint, alert] : alerts_) {
    JsonWriter json(buffer);
    const auto object = json.item_object();
    write_labels(json, context_, alert);
    write_annotations(json, alert);
    json.text("startsAt", utc(context_, alert.first_seen_ns));
    json.text("endsAt", alert.state == "resolved" ? utc(context_, alert.time_ns) : utc_seconds(active_until_s));
  }
  buffer.push_back(']');
  return fmt::to_string(buffer);
}

void AlertmanagerState::told() {
  std::erase_if(alerts_, [](const auto& entry) { return entry.second.state == "resolved"; });
}

Result<std::unique_ptr<Delivery>> open_alertmanager(const OutputConfig& output, const SinkContext& context) {
  auto client = HttpClient::open(output);
  if (!client) return client.error();
  return std::unique_ptr<Delivery>(std::make_unique<Alertmanager>(std::move(*client), output, context));
}

}  // namespace mtlswatch
