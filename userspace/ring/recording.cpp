// SPDX-License-Identifier: Apache-2.0
#include "userspace/ring/recording.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <string_view>
#include <utility>

#include "userspace/ring/little_endian.h"

namespace mtlswatch {
namespace {

constexpr std::size_t kBufferBytes = 1 << 16;
constexpr std::size_t kFrameHeaderBytes = 8;
constexpr std::size_t kMagicBytes = sizeof kRecordingMagic - 1;

Status write_all(int fd, std::span<const std::uint8_t> bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return system_error("write " + path, errno);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return Done{};
}

bool is_known(std::uint32_t type) {
  return type >= static_cast<std::uint32_t>(FrameType::kHeader) && type <= static_cast<std::uint32_t>(FrameType::kTick);
}

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

template <typename T>
Status parse_into(std::string_view key, std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size()) return Done{};
  return Error{"header of the recording: " + std::string(key) + " is no number"};
}

Status set_header_field(RecordingHeader& header, std::string_view key, std::string_view value) {
  if (key == "version") header.version = value;
  if (key == "host") header.host = value;
  if (key == "host_id") header.host_id = value;
  if (key == "boot_id") header.boot_id = value;
  if (key == "kernel") header.kernel = value;
  if (key == "address") header.addresses.emplace_back(value);
  if (key == "contract_version") return parse_into(key, value, header.contract_version);
  if (key == "boot_to_utc_ns") return parse_into(key, value, header.boot_to_utc_ns);
  return Done{};
}

}  // namespace

std::string encode_header(const RecordingHeader& header) {
  std::string text;
  const auto line = [&text](const char* key, const std::string& value) { text += key + ("=" + one_line(value)) + "\n"; };
  line("version", header.version);
  line("contract_version", std::to_string(header.contract_version));
  line("boot_to_utc_ns", std::to_string(header.boot_to_utc_ns));
  line("host", header.host);
  line("host_id", header.host_id);
  line("boot_id", header.boot_id);
  line("kernel", header.kernel);
  for (const std::string& address : header.addresses) line("address", address);
  return text;
}

Result<RecordingHeader> decode_header(std::span<const std::uint8_t> payload) {
  RecordingHeader header;
  std::string_view text(reinterpret_cast<const char*>(payload.data()), payload.size());
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const auto equals = line.find('=');
    if (equals == std::string_view::npos) return Error{"header of the recording: a line without \"=\""};
    const auto status = set_header_field(header, line.substr(0, equals), line.substr(equals + 1));
    if (!status) return status.error();
  }
  if (header.version.empty()) return Error{"header of the recording: no version"};
  if (header.contract_version == 0) return Error{"header of the recording: no contract_version"};
  return header;
}

std::vector<std::uint8_t> encode_tick(std::uint64_t now_ns) {
  std::vector<std::uint8_t> bytes;
  append_integer(bytes, now_ns);
  return bytes;
}

Result<std::uint64_t> decode_tick(std::span<const std::uint8_t> payload) {
  if (payload.size() != sizeof(std::uint64_t)) return Error{"a tick of the recording is not 8 bytes"};
  return load_integer<std::uint64_t>(payload.data());
}

Result<RecordingWriter> RecordingWriter::create(const std::string& path) {
  UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return system_error("make recording " + path, errno);
  RecordingWriter writer(path, std::move(file));
  writer.buffer_.assign(kRecordingMagic, kRecordingMagic + kMagicBytes);
  const auto status = writer.flush();
  if (!status) return status.error();
  return writer;
}

RecordingWriter::~RecordingWriter() {
  if (file_) static_cast<void>(flush());
}

Status RecordingWriter::write(FrameType type, std::span<const std::uint8_t> payload) {
  if (failed_) return *failed_;
  if (payload.size() > kFrameBytes)
    return Error{path_ + ": a frame of " + std::to_string(payload.size()) + " bytes is too large"};
  append_integer(buffer_, static_cast<std::uint32_t>(type));
  append_integer(buffer_, static_cast<std::uint32_t>(payload.size()));
  buffer_.insert(buffer_.end(), payload.begin(), payload.end());
  return buffer_.size() < kBufferBytes ? Status(Done{}) : flush();
}

Status RecordingWriter::write(FrameType type, const std::string& text) {
  return write(type, std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
}

Status RecordingWriter::flush() {
  if (failed_) return *failed_;
  const auto status = write_all(file_.get(), buffer_, path_);
  buffer_.clear();
  if (!status) failed_ = status.error();
  return status;
}

Result<RecordingReader> RecordingReader::open(const std::string& path) {
  UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file) return system_error("open " + path, errno);
  struct ::stat status {};
  if (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) return Error{path + ": not a regular file"};
  RecordingReader reader(path, std::move(file), kMagicBytes);
  std::array<std::uint8_t, kMagicBytes> magic{};
  const auto count = reader.read(magic);
  if (!count) return count.error();
  if (*count != kMagicBytes || !std::equal(magic.begin(), magic.end(), kRecordingMagic)) {
    return Error{path + ": not a recording of mtlswatch, or one of another format version"};
  }
  return reader;
}

Result<std::optional<Frame>> RecordingReader::next() {
  if (failed_ || cut_) return std::optional<Frame>();
  std::array<std::uint8_t, kFrameHeaderBytes> header{};
  const auto head = read(header);
  if (!head) return head.error();
  cut_ = *head > 0 && *head < header.size();
  if (*head < header.size()) return std::optional<Frame>();
  const auto type = load_integer<std::uint32_t>(header.data());
  const auto length = load_integer<std::uint32_t>(header.data() + 4);
  if (!is_known(type)) return fail("a frame of unknown type " + std::to_string(type));
  if (length > kFrameBytes)
    return fail("a frame of " + std::to_string(length) + " bytes, more than " + std::to_string(kFrameBytes));
  Frame frame{static_cast<FrameType>(type), std::vector<std::uint8_t>(length), offset_};
  const auto body = read(frame.payload);
  if (!body) return body.error();
  cut_ = *body < length;
  if (cut_) return std::optional<Frame>();
  offset_ += header.size() + length;
  return std::optional<Frame>(std::move(frame));
}

Error RecordingReader::fail(const std::string& what) {
  failed_ = true;
  return Error{path_ + ": at offset " + std::to_string(offset_) + ": " + what};
}

/// As many bytes as the file still has, up to into's size.
Result<std::size_t> RecordingReader::read(std::span<std::uint8_t> into) {
  std::size_t done = 0;
  while (done < into.size()) {
    if (position_ == buffer_.size()) {
      buffer_.resize(kBufferBytes);
      const ssize_t count = ::read(file_.get(), buffer_.data(), buffer_.size());
      if (count < 0) return fail(std::string("read: ") + std::strerror(errno));
      buffer_.resize(static_cast<std::size_t>(count));
      position_ = 0;
      if (count == 0) break;
    }
    const std::size_t count = std::min(into.size() - done, buffer_.size() - position_);
    std::copy_n(buffer_.begin() + static_cast<std::ptrdiff_t>(position_), count,
                into.begin() + static_cast<std::ptrdiff_t>(done));
    position_ += count;
    done += count;
  }
  return done;
}

}  // namespace mtlswatch
