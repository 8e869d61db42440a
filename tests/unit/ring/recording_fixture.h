// SPDX-License-Identifier: Apache-2.0
// A recording file of a test, in a folder of its own.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "userspace/ring/recording.h"

namespace mtlswatch {

struct Recording : ::testing::Test {
  std::string folder = "/tmp/mtlswatch-recording-XXXXXX";
  std::string path;

  Recording() {
    if (::mkdtemp(folder.data()) != nullptr) path = folder + "/x.rec";
  }
  ~Recording() override { std::filesystem::remove_all(folder); }

  std::string content() const {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void put(const std::string& bytes) const { std::ofstream(path, std::ios::binary) << bytes; }

  /// Frames up to the end or the first error, which goes to error.
  std::vector<Frame> read_all(std::string* error = nullptr, bool* cut = nullptr) const {
    std::vector<Frame> frames;
    auto reader = RecordingReader::open(path);
    if (!reader) {
      if (error != nullptr) *error = reader.error().message;
      return frames;
    }
    for (;;) {
      auto frame = reader->next();
      if (!frame && error != nullptr) *error = frame.error().message;
      if (!frame || !*frame) break;
      frames.push_back(std::move(**frame));
    }
    if (cut != nullptr) *cut = reader->cut();
    return frames;
  }

  void write_three() const {
    auto writer = RecordingWriter::create(path);
    ASSERT_TRUE(writer) << writer.error().message;
    ASSERT_TRUE(writer->write(FrameType::kConfig, "fronts: []\n"));
    ASSERT_TRUE(writer->write(FrameType::kRecord, std::vector<std::uint8_t>{1, 2, 0, 255}));
    ASSERT_TRUE(writer->write(FrameType::kTick, encode_tick(0x0102030405060708)));
    ASSERT_TRUE(writer->flush());
  }
};

}  // namespace mtlswatch
