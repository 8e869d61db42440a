// SPDX-License-Identifier: Apache-2.0
#include "userspace/probe/process_view.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

namespace mtlswatch {

ProcessView::ProcessView(const std::string& directory)
    : directory_(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {}

Result<UniqueFd> ProcessView::open(const std::string& path, int flags) const {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  if ((flags & O_PATH) != 0) how.flags = O_PATH | O_CLOEXEC;  // openat2 refuses flags that O_PATH would ignore
  const long fd = ::syscall(SYS_openat2, directory_.get(), path.c_str(), &how, sizeof how);
  if (fd < 0) return system_error("open " + path, errno);
  return UniqueFd(static_cast<int>(fd));
}

bool ProcessView::exists(const std::string& path) const { return static_cast<bool>(open(path, O_PATH)); }

Result<std::string> ProcessView::read(const std::string& path, std::size_t limit) const {
  const auto file = open(path, O_RDONLY);
  if (!file) return file.error();
  struct ::stat status {};
  if (::fstat(file->get(), &status) != 0 || !S_ISREG(status.st_mode)) return Error{path + ": not a regular file"};
  std::string content(limit, '\0');
  const ssize_t count = ::pread(file->get(), content.data(), content.size(), 0);
  if (count < 0) return system_error("read " + path, errno);
  content.resize(static_cast<std::size_t>(count));
  return content;
}

std::vector<std::string> ProcessView::names(const std::string& path, std::size_t limit) const {
  std::vector<std::string> names;
  const auto opened = open(path, O_RDONLY | O_DIRECTORY);
  if (!opened) return names;
  const int own = ::fcntl(opened->get(), F_DUPFD_CLOEXEC, 0);  // closedir closes it
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(own < 0 ? nullptr : ::fdopendir(own), ::closedir);
  while (directory && names.size() < limit) {
    const dirent* entry = ::readdir(directory.get());
    if (entry == nullptr) break;
    names.emplace_back(entry->d_name);
  }
  return names;
}

}  // namespace mtlswatch
