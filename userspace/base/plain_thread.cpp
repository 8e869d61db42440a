// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/plain_thread.h"

#include <signal.h>

#include <utility>

#include "userspace/base/capabilities.h"

namespace mtlswatch {

std::thread start_plain_thread(std::function<void()> body) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread([body = std::move(body)] {
    static_cast<void>(keep_capabilities({}));  // giving all away is never refused
    body();
  });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

}  // namespace mtlswatch
