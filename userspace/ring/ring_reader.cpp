// SPDX-License-Identifier: Apache-2.0
#include "userspace/ring/ring_reader.h"

#include <bpf/libbpf.h>

#include <cerrno>

namespace mtlswatch {
namespace {

int hand_over(void* context, void* data, std::size_t size) {
  (*static_cast<RingReader::OnRecord*>(context))({static_cast<const std::uint8_t*>(data), size});
  return 0;
}

}  // namespace

void RingReader::Free::operator()(ring_buffer* ring) const { ring_buffer__free(ring); }

RingReader::RingReader(std::unique_ptr<OnRecord> on_record, std::unique_ptr<ring_buffer, Free> ring)
    : on_record_(std::move(on_record)), ring_(std::move(ring)) {}
RingReader::RingReader(RingReader&&) noexcept = default;
RingReader& RingReader::operator=(RingReader&&) noexcept = default;
RingReader::~RingReader() = default;

Result<RingReader> RingReader::open(int ring_map_fd, OnRecord on_record) {
  auto held = std::make_unique<OnRecord>(std::move(on_record));
  std::unique_ptr<ring_buffer, Free> ring(ring_buffer__new(ring_map_fd, hand_over, held.get(), nullptr));
  if (!ring) return system_error("map the ring buffer", errno);
  return RingReader(std::move(held), std::move(ring));
}

Status RingReader::drain() {
  const int result = ring_buffer__consume(ring_.get());
  if (result < 0) return system_error("drain the ring buffer", -result);
  return Done{};
}

int RingReader::fd() const { return ring_buffer__epoll_fd(ring_.get()); }

}  // namespace mtlswatch
