// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/small_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "userspace/base/unique_fd.h"

namespace mtlswatch {

Result<std::string> read_small_file(const std::string& file, std::size_t most_bytes) {
  const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return system_error("cannot be opened", errno);
  struct stat facts {};
  if (::fstat(fd.get(), &facts) != 0) return system_error("cannot be read", errno);
  if (!S_ISREG(facts.st_mode)) return Error{"is no regular file, expected one"};
  std::string text(most_bytes + 1, '\0');
  std::size_t bytes = 0;
  while (bytes < text.size()) {
    const ssize_t got = ::read(fd.get(), text.data() + bytes, text.size() - bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error("cannot be read", errno);
    if (got == 0) break;
    bytes += static_cast<std::size_t>(got);
  }
  if (bytes > most_bytes) return Error{"is too large, expected at most " + std::to_string(most_bytes) + " bytes"};
  text.resize(bytes);
  text.shrink_to_fit();
  return text;
}

Result<std::string> read_secret(const std::string& file) {
  constexpr std::size_t kMostBytes = 64u << 10;
  auto text = read_small_file(file, kMostBytes);
  if (!text) return Error{"read " + file + ": " + text.error().message};
  while (!text->empty() && (text->back() == '\n' || text->back() == '\r')) text->pop_back();
  if (text->empty() || text->find_first_of("\r\n") != std::string::npos) return Error{"read " + file + ": expected one line"};
  return text;
}

}  // namespace mtlswatch
