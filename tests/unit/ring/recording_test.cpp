// SPDX-License-Identifier: Apache-2.0
#include "userspace/ring/recording.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/unit/ring/recording_fixture.h"
#include "userspace/ring/recorded_process.h"

namespace mtlswatch {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;
using Bytes = std::vector<std::uint8_t>;

TEST_F(Recording, gives_back_what_was_written) {
  write_three();
  const auto frames = read_all();
  ASSERT_THAT(frames, SizeIs(3));
  EXPECT_EQ(frames[0].type, FrameType::kConfig);
  EXPECT_EQ(std::string(frames[0].payload.begin(), frames[0].payload.end()), "fronts: []\n");
  EXPECT_EQ(frames[1].payload, (Bytes{1, 2, 0, 255}));
  EXPECT_EQ(*decode_tick(frames[2].payload), 0x0102030405060708u);
}

TEST_F(Recording, has_the_layout_that_is_promised) {
  write_three();
  EXPECT_EQ(content().substr(0, 22), "MTLSWATCH-RECORDING 1\n");
  EXPECT_EQ(content().substr(22, 8), std::string("\x02\0\0\0\x0b\0\0\0", 8));
  EXPECT_EQ(content().substr(content().size() - 8), "\x08\x07\x06\x05\x04\x03\x02\x01");
}

TEST_F(Recording, belongs_to_its_owner_alone) {
  write_three();
  struct ::stat file {};
  ASSERT_EQ(::stat(path.c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777, 0600u);
}

TEST_F(Recording, never_overwrites_a_file) {
  put("precious");
  const auto writer = RecordingWriter::create(path);
  ASSERT_FALSE(writer);
  EXPECT_THAT(writer.error().message, HasSubstr("File exists"));
  EXPECT_EQ(content(), "precious");
}

TEST_F(Recording, is_whole_when_the_writer_goes_without_a_flush) {
  {
    auto writer = RecordingWriter::create(path);
    ASSERT_TRUE(writer);
    ASSERT_TRUE(writer->write(FrameType::kConfig, "a"));
    RecordingWriter moved = std::move(*writer);
    ASSERT_TRUE(moved.write(FrameType::kConfig, "b"));
  }
  EXPECT_THAT(read_all(), SizeIs(2));
}

TEST_F(Recording, holds_frames_larger_than_a_buffer) {
  Bytes large(kFrameBytes);
  for (std::size_t index = 0; index < large.size(); ++index) large[index] = static_cast<std::uint8_t>(index * 7);
  {
    auto writer = RecordingWriter::create(path);
    ASSERT_TRUE(writer);
    for (int count = 0; count < 3; ++count) ASSERT_TRUE(writer->write(FrameType::kRecord, large));
    EXPECT_FALSE(writer->write(FrameType::kRecord, Bytes(kFrameBytes + 1)));
  }
  const auto frames = read_all();
  ASSERT_THAT(frames, SizeIs(3));
  for (const Frame& frame : frames) EXPECT_EQ(frame.payload, large);
}

TEST_F(Recording, tells_a_full_disk_and_keeps_telling_it) {
  const auto full = RecordingWriter::create("/dev/full");
  EXPECT_FALSE(full);
  auto writer = RecordingWriter::create(path);
  ASSERT_TRUE(writer);
  const int null = ::open("/dev/full", O_WRONLY);  // takes the place of the recording's file
  for (int fd = 3; fd < 64; ++fd) {
    std::error_code error;
    if (std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd), error) == path) ::dup2(null, fd);
  }
  ::close(null);
  ASSERT_TRUE(writer->write(FrameType::kConfig, "a"));
  EXPECT_THAT(writer->flush().error().message, HasSubstr("No space left"));
  EXPECT_FALSE(writer->write(FrameType::kConfig, "b"));
  EXPECT_FALSE(writer->flush());
}

TEST_F(Recording, reads_a_cut_file_up_to_its_last_whole_frame) {
  write_three();
  const std::string whole = content();
  const std::vector<std::size_t> ends = {22, 22 + 8 + 11, 22 + 8 + 11 + 8 + 4, whole.size()};
  for (std::size_t size = 22; size <= whole.size(); ++size) {
    put(whole.substr(0, size));
    std::string error;
    bool cut = false;
    const auto frames = read_all(&error, &cut);
    const auto expected = std::upper_bound(ends.begin(), ends.end(), size) - ends.begin() - 1;
    EXPECT_EQ(error, "") << size;
    EXPECT_EQ(static_cast<long>(frames.size()), expected) << size;
    EXPECT_EQ(cut, std::find(ends.begin(), ends.end(), size) == ends.end()) << size;
  }
}

TEST_F(Recording, refuses_other_files) {
  std::string error;
  for (const char* text : {"", "MTLSWATCH-RECORDING 2\n", "MTLSWATCH-RECORDING 1",
                           "\x7f"
                           "ELF and more of that kind"}) {
    put(text);
    error.clear();
    read_all(&error);
    EXPECT_THAT(error, HasSubstr("not a recording")) << text;
  }
  EXPECT_FALSE(RecordingReader::open(folder));
  EXPECT_FALSE(RecordingReader::open("/dev/zero"));
  EXPECT_THAT(RecordingReader::open(folder + "/none").error().message, HasSubstr("No such file"));
}

TEST_F(Recording, names_the_offset_of_a_damaged_frame) {
  write_three();
  const std::string whole = content();
  std::string error;
  std::string damaged = whole;
  damaged[41] = 9;  // type of the second frame
  put(damaged);
  EXPECT_THAT(read_all(&error), SizeIs(1));
  EXPECT_THAT(error, HasSubstr("at offset 41: a frame of unknown type 9"));
  damaged = whole;
  damaged[48] = '\x7f';  // highest byte of its length
  put(damaged);
  EXPECT_THAT(read_all(&error), SizeIs(1));
  EXPECT_THAT(error, HasSubstr("at offset 41: a frame of 2130706436 bytes"));
}

TEST_F(Recording, ends_after_an_error) {
  put(std::string(kRecordingMagic) + std::string(64, '\x77'));
  auto reader = RecordingReader::open(path);
  ASSERT_TRUE(reader);
  EXPECT_FALSE(reader->next());
  const auto after = reader->next();
  ASSERT_TRUE(after);
  EXPECT_FALSE(after->has_value());
}

Bytes bytes_of(const std::string& text) { return Bytes(text.begin(), text.end()); }

TEST(RecordingHeader, gives_back_what_was_encoded) {
  RecordingHeader header;
  header.version = "0.1.0";
  header.contract_version = 7;
  header.boot_to_utc_ns = -123456789012345;
  header.host = "two\nlines";
  header.host_id = "0123";
  header.boot_id = "4567";
  header.kernel = "6.18.0";
  header.addresses = {"192.0.2.1", "2001:db8::1"};
  const auto decoded = decode_header(bytes_of(encode_header(header)));
  ASSERT_TRUE(decoded) << decoded.error().message;
  header.host = "two lines";
  EXPECT_EQ(*decoded, header);
}

TEST(RecordingHeader, skips_keys_of_later_versions_and_refuses_nonsense) {
  EXPECT_TRUE(decode_header(bytes_of("version=1\ncontract_version=1\ncolour=blue")));
  EXPECT_THAT(decode_header(bytes_of("version=1\ncontract_version=x")).error().message,
              HasSubstr("contract_version is no number"));
  EXPECT_THAT(decode_header(bytes_of("version=1\n")).error().message, HasSubstr("no contract_version"));
  EXPECT_THAT(decode_header(bytes_of("contract_version=1\n")).error().message, HasSubstr("no version"));
  EXPECT_FALSE(decode_header(bytes_of("version")));
  EXPECT_FALSE(decode_header({}));
}

TEST(RecordingTick, is_eight_bytes) {
  EXPECT_FALSE(decode_tick(Bytes(7)));
  EXPECT_FALSE(decode_tick(Bytes(9)));
}

/// Every field with a value of its own, so that two swapped ones show.
ProcessFacts full_facts() {
  ProcessFacts facts;
  facts.pid = 1;
  facts.parent_pid = 2;
  facts.start_time_ticks = 1ull << 40;
  facts.name = "name";
  facts.executable = "/exe";
  facts.command_line = "command line";
  facts.cgroup = "/cgroup";
  facts.uid = 0xfffffffe;
  facts.executable_root_owned = true;
  facts.backend = "backend";
  facts.front = false;
  facts.front_reason = "front reason";
  facts.known_proxy = "nginx";
  facts.tls_coverage = "partly";
  facts.tls_coverage_reason = "tls reason";
  facts.clues = {{3, "one"}, {-4, "two"}};
  facts.listeners = {*parse_endpoint("127.0.0.1:8000"), *parse_endpoint("[2001:db8::1]:443"),
                     *parse_endpoint("unix:@name")};
  return facts;
}

TEST(RecordedProcess, gives_back_every_field) {
  const auto decoded = decode_process(encode_process(full_facts()));
  ASSERT_TRUE(decoded) << decoded.error().message;
  const ProcessFacts expected = full_facts();
  EXPECT_EQ(decoded->pid, 1u);
  EXPECT_EQ(decoded->parent_pid, 2u);
  EXPECT_EQ(decoded->start_time_ticks, 1ull << 40);
  EXPECT_EQ(decoded->name, "name");
  EXPECT_EQ(decoded->executable, "/exe");
  EXPECT_EQ(decoded->command_line, "command line");
  EXPECT_EQ(decoded->cgroup, "/cgroup");
  EXPECT_EQ(decoded->uid, 0xfffffffe);
  EXPECT_TRUE(decoded->executable_root_owned);
  EXPECT_EQ(decoded->backend, "backend");
  EXPECT_FALSE(decoded->front);
  EXPECT_EQ(decoded->front_reason, "front reason");
  EXPECT_EQ(decoded->known_proxy, "nginx");
  EXPECT_EQ(decoded->tls_coverage, "partly");
  EXPECT_EQ(decoded->tls_coverage_reason, "tls reason");
  ASSERT_THAT(decoded->clues, SizeIs(2));
  EXPECT_EQ(decoded->clues[1].score, -4);
  EXPECT_EQ(decoded->clues[1].reason, "two");
  EXPECT_EQ(decoded->listeners, expected.listeners);
}

TEST(RecordedProcess, refuses_every_cut_and_every_surplus) {
  Bytes bytes = encode_process(full_facts());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode_process(std::span(bytes).first(size))) << size;
  }
  bytes.push_back(0);
  EXPECT_THAT(decode_process(bytes).error().message, HasSubstr("left over"));
}

TEST(RecordedProcess, bounds_strings_and_lists) {
  ProcessFacts facts;
  facts.name = std::string(100000, 'x');
  facts.clues.resize(5000);
  const auto decoded = decode_process(encode_process(facts));
  ASSERT_TRUE(decoded);
  EXPECT_THAT(decoded->name, SizeIs(4096));
  EXPECT_THAT(decoded->clues, SizeIs(1024));
  Bytes hostile = encode_process(ProcessFacts{});
  hostile[16] = hostile[17] = hostile[18] = hostile[19] = 0xff;  // length of the name
  EXPECT_FALSE(decode_process(hostile));
  hostile[16] = 0x01;  // 4097, and that many bytes follow
  hostile[17] = 0x10;
  hostile[18] = hostile[19] = 0;
  hostile.insert(hostile.begin() + 20, 4097, 'x');
  EXPECT_FALSE(decode_process(hostile));
}

}  // namespace
}  // namespace mtlswatch
