// SPDX-License-Identifier: Apache-2.0
// Lists the pods of this node, and watches them for life, on a thread of its own. The event loop takes what changed and
// never waits for the API server. mutex_ guards every member below it; the others are the thread's own.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>

#include "userspace/base/result.h"
#include "userspace/kubernetes/api_client.h"
#include "userspace/kubernetes/pod_stream.h"
#include "userspace/model/config.h"
#include "userspace/model/pod.h"
#include "userspace/model/status.h"

namespace mtlswatch {

struct PodWatchPauses {
  std::chrono::milliseconds first{1'000};  ///< after a failure, about; doubled by each further one
  std::chrono::milliseconds longest{60'000};
};

class PodWatch {
 public:
  /// Errors: no server is known. One that does not answer is asked again for life.
  static Result<std::unique_ptr<PodWatch>> start(const KubernetesConfig& config, AnnotationNames annotations, PodWatchPauses pauses = {});
  ~PodWatch();
  PodWatch(const PodWatch&) = delete;
  PodWatch& operator=(const PodWatch&) = delete;

  /// The pods as they are now, if they changed since the last call.
  std::optional<PodDirectory> take();
  KubernetesStatus status() const;

 private:
  PodWatch(const KubernetesConfig& config, AnnotationNames annotations, PodWatchPauses pauses);
  void run();
  Status list();
  Result<PodPage> list_page(const std::string& next);
  Status watch();
  Result<long> follow(PodStream& stream);
  void publish();
  void note_refused(std::uint64_t pods);
  void note_success();
  void note_failure(const std::string& error);
  bool is_stopping() const;

  const std::string selector_;
  const AnnotationNames annotations_;
  const PodWatchPauses pauses_;
  std::optional<ApiClient> client_;
  PodDirectory pods_;
  std::string resource_version_;  ///< empty: everything must be listed
  unsigned failures_ = 0;         ///< since a watch told something
  std::minstd_rand random_{std::random_device{}()};

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<PodDirectory> news_;
  KubernetesStatus status_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace mtlswatch
