// SPDX-License-Identifier: Apache-2.0
// The file of `record` and `replay`: a magic line, then frames {u32 type, u32 length, payload}, little-endian. Used by
// app/. The caller scrubs records before they come here. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/base/unique_fd.h"

namespace mtlswatch {

inline constexpr char kRecordingMagic[] = "MTLSWATCH-RECORDING 1\n";
/// Largest payload that is written or accepted.
inline constexpr std::uint32_t kFrameBytes = 1 << 20;

enum class FrameType : std::uint32_t {
  kHeader = 1,   ///< "key=value\n" lines: encode_header
  kConfig = 2,   ///< YAML text
  kProcess = 3,  ///< ProcessFacts: encode_process in recorded_process.h
  kRecord = 4,   ///< one kernel record, as in the ring buffer
  kTick = 5,     ///< the kernel clock, u64 nanoseconds: encode_tick
};

struct Frame {
  FrameType type = FrameType::kHeader;
  std::vector<std::uint8_t> payload;
  std::uint64_t offset = 0;  ///< of the frame in the file, for messages
};

/// What replay needs to know of the host that was recorded.
struct RecordingHeader {
  std::string version;                 ///< of the agent
  std::uint32_t contract_version = 0;  ///< MTLSWATCH_CONTRACT_VERSION
  std::int64_t boot_to_utc_ns = 0;     ///< added to a record's time, it gives UTC
  std::string host;                    ///< host name
  std::string host_id;                    ///< machine id
  std::string boot_id;
  std::string kernel;                     ///< release
  std::vector<std::string> addresses;     ///< of the interfaces of the host
  bool operator==(const RecordingHeader&) const = default;
};

/// Line ends in the texts become blanks.
std::string encode_header(const RecordingHeader& header);
/// Unknown keys are skipped. Errors: a line without '=', a number that is none, no version, no contract_version.
Result<RecordingHeader> decode_header(std::span<const std::uint8_t> payload);

std::vector<std::uint8_t> encode_tick(std::uint64_t now_ns);
Result<std::uint64_t> decode_tick(std::span<const std::uint8_t> payload);

/// Writes a recording. Not closed by flush(), it still ends at a whole frame of what the kernel took.
class RecordingWriter {
 public:
  /// Makes the file, mode 0600. Errors: it exists, or cannot be made.
  static Result<RecordingWriter> create(const std::string& path);
  RecordingWriter(RecordingWriter&&) noexcept = default;
  RecordingWriter& operator=(RecordingWriter&&) = delete;
  /// Flushes; call flush() before to learn of errors.
  ~RecordingWriter();

  /// Errors: payload larger than kFrameBytes, or a failed write (a full disk), which every later call repeats.
  Status write(FrameType type, std::span<const std::uint8_t> payload);
  Status write(FrameType type, const std::string& text);
  Status flush();

 private:
  RecordingWriter(std::string path, UniqueFd file) : path_(std::move(path)), file_(std::move(file)) {}
  std::string path_;
  UniqueFd file_;
  std::vector<std::uint8_t> buffer_;
  std::optional<Error> failed_;
};

/// Reads a recording that may come from anywhere.
class RecordingReader {
 public:
  /// Errors: no regular file, or another format or format version.
  static Result<RecordingReader> open(const std::string& path);

  /// The next frame, or nothing at the end. Errors name the file's offset: an unknown type, a length above kFrameBytes,
  /// a failed read. After an error nothing more comes: the end.
  Result<std::optional<Frame>> next();

  /// The file ends inside a frame: its writer was killed. What came before is whole.
  bool cut() const { return cut_; }

 private:
  RecordingReader(std::string path, UniqueFd file, std::uint64_t offset)
      : path_(std::move(path)), file_(std::move(file)), offset_(offset) {}
  Result<std::size_t> read(std::span<std::uint8_t> into);
  Error fail(const std::string& what);

  std::string path_;
  UniqueFd file_;
  std::uint64_t offset_ = 0;  ///< of the next frame
  std::vector<std::uint8_t> buffer_;
  std::size_t position_ = 0;
  bool cut_ = false;
  bool failed_ = false;
};

}  // namespace mtlswatch
