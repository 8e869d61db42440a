// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/secret_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "userspace/base/unique_fd.h"

namespace mtlswatch {

Result<std::string> read_secret(const std::string& file) {
  const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat facts {};
  if (!fd || ::fstat(fd.get(), &facts) != 0) return system_error("read " + file, errno);
  if (!S_ISREG(facts.st_mode)) return Error{"read " + file + ": no regular file"};
  std::string text(64u << 10, '\0');
  const ssize_t bytes = ::read(fd.get(), text.data(), text.size());
  if (bytes < 0) return system_error("read " + file, errno);
  text.resize(static_cast<std::size_t>(bytes));
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  if (text.empty() || text.find_first_of("\r\n") != std::string::npos)
    return Error{"read " + file + ": expected one line"};
  return text;
}

}  // namespace mtlswatch
