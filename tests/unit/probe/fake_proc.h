// SPDX-License-Identifier: Apache-2.0
// A /proc of a test's own in a temporary folder, with the files of its processes beside it.
#pragma once

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "userspace/model/process.h"
#include "userspace/probe/proc_reader.h"

namespace mtlswatch {

struct FakeProcess {
  std::uint32_t pid = 0;
  std::uint32_t parent_pid = 0;
  std::uint64_t start_time_ticks = 1000;
  std::uint64_t image = 0x7000;
  std::uint64_t virtual_bytes = 1 << 20;
  std::uint32_t uid = 0;
  std::string name = "python3";
  std::string executable = "/usr/bin/python3.11";
  std::vector<std::string> arguments = {};
  std::vector<std::string> environment = {};
  std::string directory = "/srv";
  std::string cgroup = "0::/system.slice/test.service\n";
  std::vector<std::string> libraries = {};  ///< mapped executable, as the process names them
};

/// Files that exist are those of put_file(); every process's root and working directory lie among them.
class FakeProc {
 public:
  FakeProc() {
    std::string name = "/tmp/mtlswatch-proc-XXXXXX";
    folder_ = ::mkdtemp(name.data());
    std::filesystem::create_directories(folder_ + "/proc");
    std::filesystem::create_directories(folder_ + "/root");
  }
  FakeProc(const FakeProc&) = delete;
  FakeProc& operator=(const FakeProc&) = delete;
  ~FakeProc() { std::filesystem::remove_all(folder_); }

  std::string proc() const { return folder_ + "/proc"; }
  std::string on_disk(const std::string& path) const { return folder_ + "/root" + path; }
  ProcReader reader() const { return ProcReader(proc(), ::getuid()); }

  void put_file(const std::string& path, const std::string& content = "", unsigned mode = 0755) const {
    const std::string file = on_disk(path);
    std::filesystem::create_directories(std::filesystem::path(file).parent_path());
    std::ofstream(file, std::ios::binary) << content;
    ::chmod(file.c_str(), mode);
  }

  /// Replaces a process of the same pid.
  void put(const FakeProcess& process) const {
    remove(process.pid);
    const std::string folder = proc() + "/" + std::to_string(process.pid);
    std::filesystem::create_directories(folder);
    if (!std::filesystem::exists(on_disk(process.executable))) put_file(process.executable);
    std::filesystem::create_directories(on_disk(process.directory));
    std::filesystem::create_symlink(on_disk(process.executable), folder + "/exe");
    std::filesystem::create_symlink(on_disk(process.directory), folder + "/cwd");
    std::filesystem::create_symlink(folder_ + "/root", folder + "/root");
    write(folder + "/stat", stat_line(process));
    write(folder + "/status", "Name:\tx\nUid:\t1\t" + std::to_string(process.uid) + "\t3\t4\nGid:\t0\t0\t0\t0\n");
    write(folder + "/cmdline", joined(process.arguments));
    write(folder + "/environ", joined(process.environment));
    write(folder + "/cgroup", process.cgroup);
    write(folder + "/maps", maps(process));
  }

  void remove(std::uint32_t pid) const { std::filesystem::remove_all(proc() + "/" + std::to_string(pid)); }

  static void write(const std::string& path, const std::string& content) {
    std::ofstream(path, std::ios::binary) << content;
  }

 private:
  static std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) text += word + '\0';
    return text;
  }

  static std::string stat_line(const FakeProcess& process) {
    std::string line = std::to_string(process.pid) + " (" + process.name + ") S " + std::to_string(process.parent_pid);
    for (int field = 5; field <= 52; ++field) {
      std::uint64_t value = 0;
      if (field == 22) value = process.start_time_ticks;
      if (field == 23) value = process.virtual_bytes;
      if (field == 26 || field == 28 || field == 48) value = process.image;
      line += " " + (field == 8 ? "-1" : std::to_string(value));
    }
    return line + "\n";
  }

  std::string maps(const FakeProcess& process) const {
    std::string text = "7f0000000000-7f0000001000 rw-p 00000000 00:00 0 \n";
    for (const std::string& library : process.libraries) {
      struct ::stat file {};
      ::stat(on_disk(library).c_str(), &file);
      char device[32];
      std::snprintf(device, sizeof device, "%02x:%02x", major(file.st_dev), minor(file.st_dev));
      text += "7f1000000000-7f1000001000 r-xp 00001000 " + std::string(device) + " " + std::to_string(file.st_ino) +
              "                   " + library + "\n";
    }
    return text;
  }

  std::string folder_;
};

/// A row of the listeners' iterator.
inline Listener listener(std::uint32_t pid, const std::string& endpoint, std::uint32_t uid = 0,
                         std::uint32_t netns = 1) {
  return Listener{pid, netns, uid, *parse_endpoint(endpoint)};
}

}  // namespace mtlswatch
