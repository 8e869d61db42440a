// SPDX-License-Identifier: Apache-2.0
#include "userspace/probe/libbpf_log.h"

#include <bpf/libbpf.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <string>

namespace mtlswatch {
namespace {

// Of the verifier's long stories the end says what is wrong.
int log_line(libbpf_print_level level, const char* format, va_list arguments) {
  constexpr std::size_t kMost = 1000;
  va_list again;
  va_copy(again, arguments);
  std::string text(static_cast<std::size_t>(std::max(0, vsnprintf(nullptr, 0, format, again))), '\0');
  va_end(again);
  vsnprintf(text.data(), text.size() + 1, format, arguments);
  if (text.size() > kMost) text.erase(0, text.size() - kMost);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  spdlog::log(level == LIBBPF_WARN ? spdlog::level::warn : spdlog::level::trace, "libbpf: {}", text);
  return 0;
}

}  // namespace

void log_libbpf() { libbpf_set_print(log_line); }

}  // namespace mtlswatch
