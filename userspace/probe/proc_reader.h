// SPDX-License-Identifier: Apache-2.0
// Bounded reads of what /proc says about one process. Used by the process table, the Django detector and discovery.
// A process may vanish between two reads: every failure is an Error, and none is worth a log line of its own.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "userspace/base/result.h"

namespace mtlswatch {

/// A file, whatever its name. device is encoded as in stat(2)'s st_dev.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  auto operator<=>(const FileIdentity&) const = default;
};

/// Changes when the process executes another image, also the same file again: exec lays the stack and the arguments
/// at new addresses, fork keeps them. All zero where /proc hides addresses.
struct ImageMark {
  std::uint64_t code_start = 0;
  std::uint64_t stack_start = 0;
  std::uint64_t arguments_start = 0;
  auto operator<=>(const ImageMark&) const = default;
};

/// /proc/PID/stat.
struct ProcessStat {
  std::string name;
  std::uint32_t parent_pid = 0;
  std::uint64_t start_time_ticks = 0;
  std::uint64_t virtual_bytes = 0;  ///< changes whenever a library is mapped
  ImageMark image;
};

/// The file that /proc/PID/exe leads to, also when its name is gone.
struct ExecutableFile {
  FileIdentity identity;
  bool root_owned = false;  ///< and writable by its owner alone
};

/// A TLS library that a process has mapped.
struct TlsLibrary {
  std::string path;          ///< opens that very file from the agent's side while the process lives
  std::uint64_t device = 0;  ///< of the mapping: on btrfs and overlayfs it may differ from stat(path)
  std::uint64_t inode = 0;
  std::string display_path;  ///< as the process's own mount namespace names it
  bool operator==(const TlsLibrary&) const = default;
};

class ProcReader {
 public:
  /// root_uid: whose files count as root's. Tests read a tree of their own that they own themselves.
  explicit ProcReader(std::string root = "/proc", std::uint32_t root_uid = 0);

  Result<std::vector<std::uint32_t>> pids() const;
  Result<ProcessStat> stat(std::uint32_t pid) const;
  /// Arguments joined by blanks, at most 4096 bytes. Empty for kernel threads.
  Result<std::string> command_line(std::uint32_t pid) const;
  /// Path of the executable, without the " (deleted)" of a replaced one.
  Result<std::string> executable(std::uint32_t pid) const;
  Result<ExecutableFile> executable_file(std::uint32_t pid) const;
  Result<std::uint32_t> effective_uid(std::uint32_t pid) const;
  /// Path of the cgroup v2 line, else of the first v1 line.
  Result<std::string> cgroup(std::uint32_t pid) const;
  Result<std::string> working_directory(std::uint32_t pid) const;
  /// A variable as the process was started with it; later changes and processes that overwrote it show nothing.
  std::optional<std::string> environment_variable(std::uint32_t pid, const std::string& name) const;
  /// libssl in all its spellings, each file once. Libraries linked into the executable: executable_scan.h.
  Result<std::vector<TlsLibrary>> tls_libraries(std::uint32_t pid) const;
  /// libcrypto likewise: it defines what libssl calls.
  Result<std::vector<TlsLibrary>> crypto_libraries(std::uint32_t pid) const;

  /// The executable and what it has loaded that is no library by name: extension modules, plugins. At most kModules.
  std::vector<TlsLibrary> programs(std::uint32_t pid) const;

  static constexpr std::size_t kModules = 64;

  /// /proc/PID/ENTRY.
  std::string path(std::uint32_t pid, const std::string& entry) const;

 private:
  Result<std::vector<TlsLibrary>> mapped(std::uint32_t pid, const std::string& stem) const;
  std::string root_;
  std::uint32_t root_uid_;
};

/// At most limit bytes of a file; what is longer is cut.
Result<std::string> read_bounded(const std::string& path, std::size_t limit);

/// Last component of a path.
std::string base_name(const std::string& path);

/// Whether a file is a library by its name. stem "libssl": libssl.so, libssl.so.3, and the copies that Python wheels bundle
/// (libssl-81ffa89e.so.1.1); not libssl3.so (NSS).
bool is_library_name(const std::string& base_name, const std::string& stem);

}  // namespace mtlswatch
