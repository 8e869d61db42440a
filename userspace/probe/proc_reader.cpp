// SPDX-License-Identifier: Apache-2.0
#include "userspace/probe/proc_reader.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <climits>
#include <memory>
#include <set>
#include <string_view>

#include "userspace/base/unique_fd.h"

namespace mtlswatch {
namespace {

constexpr std::size_t kChunkBytes = 16384;
constexpr std::size_t kStatBytes = 4096;
constexpr std::size_t kStatusBytes = 16384;
constexpr std::size_t kCommandLineBytes = 4096;
constexpr std::size_t kCgroupBytes = 16384;
constexpr std::size_t kEnvironmentBytes = 1 << 20;
constexpr std::size_t kMapsBytes = 16 << 20;
constexpr std::string_view kDeleted = " (deleted)";

template <typename T>
std::optional<T> parse(std::string_view text, int base = 10) {
  T value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> fields;
  while (!text.empty()) {
    const auto end = std::min(text.find(separator), text.size());
    if (end > 0) fields.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return fields;
}

std::string_view without_deleted(std::string_view path, bool* deleted = nullptr) {
  const bool found = path.ends_with(kDeleted);
  if (deleted != nullptr) *deleted = found;
  if (found) path.remove_suffix(kDeleted.size());
  return path;
}

Result<std::string> read_link(const std::string& path) {
  std::string target(PATH_MAX, '\0');
  const ssize_t length = ::readlink(path.c_str(), target.data(), target.size());
  if (length < 0) return system_error("readlink " + path, errno);
  target.resize(static_cast<std::size_t>(length));
  return target;
}

/// Field number of stat, as proc(5) counts them; fields holds those from 3 (state) on.
std::optional<std::uint64_t> stat_field(const std::vector<std::string_view>& fields, std::size_t number) {
  if (number - 3 >= fields.size()) return std::nullopt;
  return parse<std::uint64_t>(fields[number - 3]);
}

struct Mapping {
  std::string_view range;  ///< "7f00-7fff", also the name in map_files
  FileIdentity file;
  std::string_view path;
  bool deleted = false;
};

/// An executable mapping of a file: "START-END PERMISSIONS OFFSET MAJOR:MINOR INODE   PATH".
std::optional<Mapping> parse_mapping(std::string_view line) {
  std::array<std::string_view, 5> fields;
  for (auto& field : fields) {
    const auto blank = line.find(' ');
    if (blank == std::string_view::npos) return std::nullopt;
    field = line.substr(0, blank);
    line.remove_prefix(std::min(line.find_first_not_of(' ', blank), line.size()));
  }
  const auto colon = fields[3].find(':');
  if (fields[1].find('x') == std::string_view::npos || colon == std::string_view::npos) return std::nullopt;
  const auto major_number = parse<unsigned>(fields[3].substr(0, colon), 16);
  const auto minor_number = parse<unsigned>(fields[3].substr(colon + 1), 16);
  const auto inode = parse<std::uint64_t>(fields[4]);
  if (!major_number || !minor_number || !inode || !line.starts_with('/')) return std::nullopt;
  Mapping mapping{fields[0], {makedev(*major_number, *minor_number), *inode}, {}, false};
  mapping.path = without_deleted(line, &mapping.deleted);
  return mapping;
}

/// The file under its own name where that still leads to the mapped inode, else the mapping itself.
TlsLibrary library_of(const Mapping& mapping, const std::string& process_root, const std::string& map_files) {
  const std::string display(mapping.path);
  const std::string named = process_root + display;
  struct ::stat file {};
  const bool same = !mapping.deleted && ::stat(named.c_str(), &file) == 0 && file.st_ino == mapping.file.inode;
  const std::string path = same ? named : map_files + "/" + std::string(mapping.range);
  return TlsLibrary{path, mapping.file.device, mapping.file.inode, display};
}

}  // namespace

Result<std::string> read_bounded(const std::string& path, std::size_t limit) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return system_error("open " + path, errno);
  std::string content;
  while (content.size() < limit) {
    const std::size_t before = content.size();
    content.resize(std::min(limit, before + kChunkBytes));
    const ssize_t count = ::read(fd.get(), content.data() + before, content.size() - before);
    if (count < 0 && errno == EINTR) {
      content.resize(before);
      continue;
    }
    if (count < 0) return system_error("read " + path, errno);
    content.resize(before + static_cast<std::size_t>(count));
    if (count == 0) break;
  }
  return content;
}

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

bool is_library_name(const std::string& base_name, const std::string& stem) {
  if (base_name.starts_with(stem + ".so")) return true;
  return base_name.starts_with(stem + "-") && base_name.find(".so") != std::string::npos;
}

ProcReader::ProcReader(std::string root, std::uint32_t root_uid) : root_(std::move(root)), root_uid_(root_uid) {}

std::string ProcReader::path(std::uint32_t pid, const std::string& entry) const {
  return root_ + "/" + std::to_string(pid) + "/" + entry;
}

Result<std::vector<std::uint32_t>> ProcReader::pids() const {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(root_.c_str()), ::closedir);
  if (!directory) return system_error("open " + root_, errno);
  std::vector<std::uint32_t> pids;
  while (const dirent* entry = ::readdir(directory.get())) {
    if (const auto pid = parse<std::uint32_t>(entry->d_name)) pids.push_back(*pid);
  }
  return pids;
}

Result<ProcessStat> ProcReader::stat(std::uint32_t pid) const {
  const auto line = read_bounded(path(pid, "stat"), kStatBytes);
  if (!line) return line.error();
  // The name may hold blanks and parentheses; the kernel escapes neither. Only the last ')' ends it.
  const auto open = line->find('(');
  const auto close = line->rfind(')');
  const Error malformed{path(pid, "stat") + ": not in the form of proc(5)"};
  if (open == std::string::npos || close == std::string::npos || close < open) return malformed;
  const std::string_view rest = std::string_view(*line).substr(close + 1);
  const auto fields = split(rest.substr(0, rest.find('\n')), ' ');
  const auto parent = stat_field(fields, 4);
  const auto start = stat_field(fields, 22);
  if (!parent || !start) return malformed;
  const auto value = [&](std::size_t number) { return stat_field(fields, number).value_or(0); };
  return ProcessStat{line->substr(open + 1, close - open - 1), static_cast<std::uint32_t>(*parent), *start, value(23),
                     ImageMark{value(26), value(28), value(48)}};
}

Result<std::string> ProcReader::command_line(std::uint32_t pid) const {
  auto text = read_bounded(path(pid, "cmdline"), kCommandLineBytes);
  if (!text) return text;
  text->erase(text->find_last_not_of('\0') + 1);
  std::replace(text->begin(), text->end(), '\0', ' ');
  text->erase(text->find_last_not_of(' ') + 1);  // a process title is padded
  return text;
}

Result<std::string> ProcReader::executable(std::uint32_t pid) const {
  auto target = read_link(path(pid, "exe"));
  if (!target) return target;
  return std::string(without_deleted(*target));
}

Result<ExecutableFile> ProcReader::executable_file(std::uint32_t pid) const {
  const std::string link = path(pid, "exe");
  struct ::stat file {};
  if (::stat(link.c_str(), &file) != 0) return system_error("stat " + link, errno);
  const bool root_owned = file.st_uid == root_uid_ && (file.st_mode & (S_IWGRP | S_IWOTH)) == 0;
  return ExecutableFile{{file.st_dev, file.st_ino}, root_owned};
}

Result<std::uint32_t> ProcReader::effective_uid(std::uint32_t pid) const {
  const auto status = read_bounded(path(pid, "status"), kStatusBytes);
  if (!status) return status.error();
  for (const std::string_view line : split(*status, '\n')) {
    if (!line.starts_with("Uid:")) continue;
    const auto fields = split(line.substr(4), '\t');
    const auto uid = fields.size() == 4 ? parse<std::uint32_t>(fields[1]) : std::nullopt;
    if (uid) return *uid;
  }
  return Error{path(pid, "status") + ": no effective uid"};
}

Result<std::string> ProcReader::cgroup(std::uint32_t pid) const {
  const auto text = read_bounded(path(pid, "cgroup"), kCgroupBytes);
  if (!text) return text;
  std::optional<std::string> first;
  for (const std::string_view line : split(*text, '\n')) {
    if (line.starts_with("0::")) return std::string(line.substr(3));
    const auto colon = line.find(':', line.find(':') + 1);
    if (!first && colon != std::string_view::npos) first = line.substr(colon + 1);
  }
  if (!first) return Error{path(pid, "cgroup") + ": no control group"};
  return *first;
}

Result<std::string> ProcReader::working_directory(std::uint32_t pid) const {
  auto target = read_link(path(pid, "cwd"));
  if (!target) return target;
  return std::string(without_deleted(*target));
}

std::optional<std::string> ProcReader::environment_variable(std::uint32_t pid, const std::string& name) const {
  const auto text = read_bounded(path(pid, "environ"), kEnvironmentBytes);
  if (!text) return std::nullopt;
  const std::string prefix = name + "=";
  for (const std::string_view variable : split(*text, '\0')) {
    if (variable.starts_with(prefix)) return std::string(variable.substr(prefix.size()));
  }
  return std::nullopt;
}

Result<std::vector<TlsLibrary>> ProcReader::tls_libraries(std::uint32_t pid) const { return mapped(pid, "libssl"); }

Result<std::vector<TlsLibrary>> ProcReader::crypto_libraries(std::uint32_t pid) const { return mapped(pid, "libcrypto"); }

Result<std::vector<TlsLibrary>> ProcReader::mapped(std::uint32_t pid, const std::string& stem) const {
  const auto maps = read_bounded(path(pid, "maps"), kMapsBytes);
  if (!maps) return maps.error();
  std::vector<TlsLibrary> libraries;
  std::set<FileIdentity> seen;
  for (const std::string_view line : split(*maps, '\n')) {
    if (line.find("/" + stem) == std::string_view::npos) continue;
    const auto mapping = parse_mapping(line);
    if (!mapping || !is_library_name(base_name(std::string(mapping->path)), stem)) continue;
    if (!seen.insert(mapping->file).second) continue;
    libraries.push_back(library_of(*mapping, path(pid, "root"), path(pid, "map_files")));
  }
  return libraries;
}

std::vector<TlsLibrary> ProcReader::programs(std::uint32_t pid) const {
  const auto maps = read_bounded(path(pid, "maps"), kMapsBytes);
  std::vector<TlsLibrary> found;
  std::set<FileIdentity> seen;
  for (const std::string_view line : maps ? split(*maps, '\n') : std::vector<std::string_view>{}) {
    const auto mapping = parse_mapping(line);
    if (!mapping || found.size() == kModules) continue;
    const std::string name = base_name(std::string(mapping->path));
    const bool is_library = name.starts_with("lib") && !name.starts_with("libnode");  // Debian's node is one
    if (is_library || name.starts_with("ld-") || !seen.insert(mapping->file).second) continue;
    found.push_back(library_of(*mapping, path(pid, "root"), path(pid, "map_files")));
  }
  return found;
}

}  // namespace mtlswatch
