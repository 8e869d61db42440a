// SPDX-License-Identifier: Apache-2.0
// A directory of configuration files that goes with the test. Used by the configuration tests.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "userspace/app/config_loader.h"

namespace mtlswatch {

class ConfigDirectory {
 public:
  ConfigDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "mtlswatch-config-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~ConfigDirectory() { std::filesystem::remove_all(path_); }
  ConfigDirectory(const ConfigDirectory&) = delete;
  ConfigDirectory& operator=(const ConfigDirectory&) = delete;

  std::string file(const std::string& name) const { return (path_ / name).string(); }
  std::string write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name, std::ios::binary) << text;
    return file(name);
  }
  Result<Config> load() const { return load_config({.file = file("main.yaml")}); }

 private:
  std::filesystem::path path_;
};

}  // namespace mtlswatch
