// SPDX-License-Identifier: Apache-2.0
#include "userspace/sink/json_lines_sink.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

namespace mtlswatch {
namespace {

constexpr std::size_t kBatchBytes = 256u << 10;

std::uint64_t newlines(const char* data, std::size_t bytes) {  // lines are long: memchr takes 32 bytes at a time
  std::uint64_t count = 0;
  const char* const end = data + bytes;
  for (const void* at; (at = std::memchr(data, '\n', static_cast<std::size_t>(end - data))) != nullptr; ++count) data = static_cast<const char*>(at) + 1;
  return count;
}

bool is_ready(int fd, int wait_ms) {
  pollfd state{fd, POLLOUT, 0};
  return ::poll(&state, 1, wait_ms) > 0;  // also on POLLERR and POLLHUP: the write then says why
}

int milliseconds_until(std::chrono::steady_clock::time_point deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
  return static_cast<int>(std::max<std::int64_t>(left, 0));
}

int open_file(const std::string& path) {
  return ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0640);
}

}  // namespace

Result<JsonLinesSink> JsonLinesSink::open(const OutputConfig& output, SinkContext context) {
  const bool is_standard = output.path == "-";
  UniqueFd fd(is_standard ? ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0) : open_file(output.path));
  if (!fd) return system_error("open " + (is_standard ? "standard output" : output.path), errno);
  return JsonLinesSink(std::move(fd), output, std::move(context));
}

JsonLinesSink::JsonLinesSink(UniqueFd fd, const OutputConfig& output, SinkContext context, JsonLinesLimits limits)
    : fd_(std::move(fd)),
      context_(std::move(context)),
      limits_(limits),
      filter_(output),
      path_(output.path) {
  fd_kind_ = kind_of(fd_);
}

JsonLinesSink::FdKind JsonLinesSink::kind_of(const UniqueFd& fd) {
  struct stat facts {};
  if (::fstat(fd.get(), &facts) != 0) return FdKind::kStream;
  if (S_ISREG(facts.st_mode)) return FdKind::kFile;
  return S_ISSOCK(facts.st_mode) ? FdKind::kSocket : FdKind::kStream;
}

Status JsonLinesSink::write(const Report& report) {
  if (!is_written(report)) return Done{};
  ++context_.sequence;
  if (!filter_.takes(report)) return Done{};
  if (reader_gone_ || buffer_.size() - sent_ >= limits_.pending_bytes) {
    ++counters_.lines_lost;
    if (!reader_gone_) counters_.last_error = "the reader is too slow";
    return reader_gone_ ? gone() : Status(Done{});
  }
  append_ecs_json(buffer_, report, context_, &fragments_);
  buffer_.push_back('\n');
  return buffer_.size() - sent_ >= kBatchBytes && !stalled_ ? flush() : Status(Done{});
}

Status JsonLinesSink::flush() { return flush_within(stalled_ ? 0 : limits_.wait_ms); }

/// The new file begins with a whole line: what the old one could not take is lost with it.
Status JsonLinesSink::reopen() {
  if (path_ == "-") return Done{};
  const Status flushed = flush();
  UniqueFd fd(open_file(path_));
  if (!fd) return system_error("open " + path_, errno);
  if (buffer_.size() > sent_ + (mends_line_ ? 1 : 0)) lose_pending(EAGAIN);
  buffer_.clear();
  sent_ = 0;
  mid_line_ = mends_line_ = stalled_ = reader_gone_ = false;
  fd_ = std::move(fd);
  fd_kind_ = kind_of(fd_);
  return flushed;
}

Status JsonLinesSink::finish(int timeout_ms) {
  const auto status = flush_within(timeout_ms);
  const std::size_t mending = mends_line_ ? 1 : 0;
  if (buffer_.size() > sent_ + mending) lose_pending(EAGAIN);
  return status;
}

Status JsonLinesSink::flush_within(int wait_ms) {
  if (reader_gone_) return gone();
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(wait_ms);
  while (sent_ < buffer_.size()) {
    const ssize_t written = write_some(buffer_.data() + sent_, buffer_.size() - sent_);
    const int error_number = errno;
    if (written > 0) {
      note_written(static_cast<std::size_t>(written));
    } else if (written < 0 && error_number == EAGAIN) {
      const int left_ms = milliseconds_until(deadline);
      if (left_ms > 0 && is_ready(fd_.get(), left_ms)) continue;
      stalled_ = true;
      break;
    } else if (written == 0 || error_number != EINTR) {
      reader_gone_ = written < 0 && error_number == EPIPE;
      lose_pending(written == 0 ? EIO : error_number);
      return reader_gone_ ? gone() : Status(Done{});
    }
  }
  compact();
  return Done{};
}

/// Writes without blocking, though the descriptor may be a blocking one: its flag is shared with other processes (a
/// shell's terminal), so it is left alone. A pipe that is ready for writing takes PIPE_BUF bytes at once (pipe(7)).
ssize_t JsonLinesSink::write_some(const char* data, std::size_t bytes) const {
  if (fd_kind_ == FdKind::kFile) return ::write(fd_.get(), data, bytes);
  if (fd_kind_ == FdKind::kSocket) return ::send(fd_.get(), data, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (is_ready(fd_.get(), 0)) return ::write(fd_.get(), data, std::min<std::size_t>(bytes, PIPE_BUF));
  errno = EAGAIN;
  return -1;
}

void JsonLinesSink::note_written(std::size_t bytes) {
  counters_.lines_written += newlines(buffer_.data() + sent_, bytes) - (mends_line_ ? 1 : 0);
  mends_line_ = false;
  stalled_ = false;
  sent_ += bytes;
  mid_line_ = buffer_.data()[sent_ - 1] != '\n';
}

/// Drops what is not written. A line that was torn by this is ended before the next, so that only it is spoilt.
void JsonLinesSink::lose_pending(int error_number) {
  counters_.lines_lost += newlines(buffer_.data() + sent_, buffer_.size() - sent_) - (mends_line_ ? 1 : 0);
  counters_.last_error = error_number == EAGAIN ? "the reader is too slow" : std::strerror(error_number);
  buffer_.clear();
  sent_ = 0;
  mends_line_ = mid_line_;
  if (mends_line_) buffer_.push_back('\n');
}

void JsonLinesSink::compact() {
  if (sent_ == buffer_.size()) {
    buffer_.clear();
    sent_ = 0;
  } else if (sent_ > buffer_.size() / 2) {
    const std::size_t rest = buffer_.size() - sent_;
    std::memmove(buffer_.data(), buffer_.data() + sent_, rest);
    buffer_.resize(rest);
    sent_ = 0;
  }
}

}  // namespace mtlswatch
