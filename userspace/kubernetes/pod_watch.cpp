// SPDX-License-Identifier: Apache-2.0
#include "userspace/kubernetes/pod_watch.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "userspace/base/plain_thread.h"

namespace mtlswatch {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kPageLimit = 50;
constexpr std::size_t kPageBytes = 32u << 20;
constexpr seconds kListAtMost{60};
constexpr int kWatchSeconds = 240;  ///< and up to a quarter more, so that nodes do not ask at once
constexpr seconds kGrace{30};       ///< the server ends it, or is not there any more
constexpr seconds kSoon{1};
constexpr long kOk = 200;
constexpr long kGone = 410;

std::string escaped(const std::string& text) {
  constexpr std::string_view kPlain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  std::string result;
  for (const char c : text) {
    result += kPlain.find(c) != std::string_view::npos ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return result;
}

}  // namespace

PodWatch::PodWatch(const KubernetesConfig& config, AnnotationNames annotations, PodWatchPauses pauses)
    : selector_("/api/v1/pods?fieldSelector=" + escaped("spec.nodeName=" + config.node + ",status.phase!=Succeeded,status.phase!=Failed")),
      annotations_(std::move(annotations)),
      pauses_(pauses) {}

Result<std::unique_ptr<PodWatch>> PodWatch::start(const KubernetesConfig& config, AnnotationNames annotations, PodWatchPauses pauses) {
  std::unique_ptr<PodWatch> watch(new PodWatch(config, std::move(annotations), pauses));
  auto client = ApiClient::open(config, [self = watch.get()] { return self->is_stopping(); });
  if (!client) return client.error();
  watch->client_.emplace(std::move(*client));
  watch->thread_ = start_plain_thread([self = watch.get()] { self->run(); });
  return watch;
}

PodWatch::~PodWatch() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

std::optional<PodDirectory> PodWatch::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(news_, std::nullopt);
}

KubernetesStatus PodWatch::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

bool PodWatch::is_stopping() const {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

void PodWatch::run() {
  while (!is_stopping()) {
    const Status status = resource_version_.empty() ? list() : watch();
    if (!status && !is_stopping()) note_failure(status.error().message);
  }
}

/// The directory stays as it is until the last page has come.
Status PodWatch::list() {
  std::vector<Pod> pods;
  std::string next;
  std::string version;
  std::uint64_t refused = 0;
  do {
    auto page = list_page(next);
    if (!page) return page.error().in("list pods");
    for (Pod& pod : page->pods) {
      if (pods.size() < PodDirectory::kPods) {
        pods.push_back(std::move(pod));
      } else {
        ++refused;
      }
    }
    version = page->resource_version;
    next = std::exchange(page->next, {});
  } while (!next.empty() && refused < PodDirectory::kPods);
  pods_.replace(std::move(pods));
  resource_version_ = version;
  publish();
  const std::lock_guard lock(mutex_);
  ++status_.lists;
  status_.refused += refused;
  status_.last_error.clear();
  return Done{};
}

Result<PodPage> PodWatch::list_page(const std::string& next) {
  std::string body;
  bool is_too_long = false;
  const std::string path = selector_ + fmt::format("&limit={}", kPageLimit) + (next.empty() ? "" : "&continue=" + escaped(next));
  const auto status = client_->get(path, kListAtMost, [&](std::string_view bytes) {
    is_too_long = body.size() + bytes.size() > kPageBytes;
    if (!is_too_long) body += bytes;
    return !is_too_long;
  });
  if (!status) return status.error();
  if (is_too_long) return Error{"the answer is too long"};
  if (*status != kOk) return Error{fmt::format("HTTP status {}", *status)};
  return read_pod_page(body, annotations_);
}

/// A watch ends after some minutes, and is taken up again where it was. Bookmarks keep that place from growing old.
Status PodWatch::watch() {
  PodStream stream(pods_, resource_version_, annotations_);
  const auto began = std::chrono::steady_clock::now();
  const auto status = follow(stream);
  note_refused(stream.refused());
  const bool is_intact = stream.state() == PodStream::State::kGoing && !(status && *status == kGone);
  resource_version_ = is_intact ? stream.resource_version() : "";
  if (!stream.error().empty()) return Error{stream.error()}.in("watch pods");
  if (!status) return status.error().in("watch pods");
  if (*status != kOk) return Error{fmt::format("watch pods: HTTP status {}", *status)};
  const bool said_nothing = stream.changes() == 0 && std::chrono::steady_clock::now() < began + kSoon;
  if (said_nothing) return Error{"watch pods: it ended without a word"};
  note_success();
  return Done{};
}

Result<long> PodWatch::follow(PodStream& stream) {
  const int wanted = kWatchSeconds + std::uniform_int_distribution<int>(0, kWatchSeconds / 4)(random_);
  const std::string path = selector_ + fmt::format("&watch=1&allowWatchBookmarks=true&timeoutSeconds={}&resourceVersion={}", wanted,
                                                   escaped(resource_version_));
  return client_->get(path, seconds(wanted) + kGrace, [&](std::string_view bytes) {
    const std::uint64_t before = stream.changes();
    const bool goes_on = stream.take(bytes) == PodStream::State::kGoing;
    if (stream.changes() != before) note_success();
    if (stream.take_news()) publish();
    return goes_on;
  });
}

void PodWatch::publish() {
  PodDirectory copy = pods_;
  const std::lock_guard lock(mutex_);
  status_.synced = true;
  status_.pods = copy.size();
  news_ = std::move(copy);
}

void PodWatch::note_refused(std::uint64_t pods) {
  const std::lock_guard lock(mutex_);
  status_.refused += pods;
}

void PodWatch::note_success() {
  failures_ = 0;
  const std::lock_guard lock(mutex_);
  status_.last_error.clear();
}

/// Waits longer after each failure, by about a half more or less, so that the agents of a cluster do not come back at once.
void PodWatch::note_failure(const std::string& error) {
  constexpr unsigned kMostDoublings = 16;
  const auto wanted = std::min(pauses_.first * (1u << std::min(failures_++, kMostDoublings)), pauses_.longest);
  const auto pause = milliseconds(wanted.count() / 2 + std::uniform_int_distribution<std::int64_t>(0, wanted.count())(random_));
  spdlog::log(failures_ == 1 ? spdlog::level::warn : spdlog::level::debug, "kubernetes: {}; again in {} ms", error, pause.count());
  std::unique_lock lock(mutex_);
  ++status_.errors;
  status_.last_error = error;
  changed_.wait_for(lock, pause, [this] { return stopping_; });
}

}  // namespace mtlswatch
