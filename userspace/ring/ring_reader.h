// SPDX-License-Identifier: Apache-2.0
// The agent's end of the ring buffer: drained by a timer, woken early only for urgent records.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "userspace/base/result.h"

struct ring_buffer;

namespace mtlswatch {

class RingReader {
 public:
  /// Called for each record, in order; the span dies with the call.
  using OnRecord = std::function<void(std::span<const std::uint8_t>)>;

  static Result<RingReader> open(int ring_map_fd, OnRecord on_record);
  RingReader(RingReader&&) noexcept;
  RingReader& operator=(RingReader&&) noexcept;
  ~RingReader();

  /// Hands over what is there. Errors: the ring is corrupt.
  Status drain();
  /// Does work that may take longer than the ring has room for. Meanwhile a thread takes records out of the ring, as many as
  /// kKeptBytes hold; the next drain() hands them over first.
  void drain_beside(const std::function<void()>& work);
  static constexpr std::size_t kKeptBytes = 16u << 20;
  /// Most bytes that waited at the beginning of a drain, since this was asked last.
  std::uint64_t take_most_waiting_bytes() { return std::exchange(most_waiting_, 0); }
  /// Records handed over so far, by their kind (enum mtlswatch_kind); 0: of no kind that is known.
  const std::vector<std::uint64_t>& handed_over() const { return receiver_->handed_over; }
  /// Readable when an urgent record waits; for epoll.
  int fd() const;

 private:
  struct Free {
    void operator()(ring_buffer* ring) const;
  };
  /// The ring's first two pages, read only: where the reader is, and where the kernel is.
  struct Unmap {
    void operator()(void* pages) const;
  };
  struct Receiver {
    OnRecord on_record;
    std::vector<std::uint64_t> handed_over;
    bool keeps = false;              ///< drain_beside() is at work
    std::vector<std::uint8_t> kept;  ///< records, each behind its size (8 bytes, so that records stay aligned)
    void hand_over(std::span<const std::uint8_t> record);
  };
  static int take(void* receiver, void* data, std::size_t size);
  using Positions = std::unique_ptr<void, Unmap>;
  RingReader(std::unique_ptr<Receiver> receiver, std::unique_ptr<ring_buffer, Free> ring, Positions positions);
  std::uint64_t waiting_bytes() const;
  Status consume();
  void hand_over_kept();

  std::uint64_t most_waiting_ = 0;
  Positions positions_;
  std::unique_ptr<Receiver> receiver_;  ///< before ring_: libbpf holds its address
  std::unique_ptr<ring_buffer, Free> ring_;
};

}  // namespace mtlswatch
