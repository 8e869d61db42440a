// SPDX-License-Identifier: Apache-2.0
#include "userspace/ring/ring_reader.h"

#include <bpf/libbpf.h>
#include <mtlswatch/event.h>

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "userspace/base/plain_thread.h"

namespace mtlswatch {
namespace {

constexpr std::chrono::milliseconds kBetweenDrains{5};

std::size_t page_bytes() { return static_cast<std::size_t>(sysconf(_SC_PAGESIZE)); }

}  // namespace

void RingReader::Free::operator()(ring_buffer* ring) const { ring_buffer__free(ring); }

void RingReader::Unmap::operator()(void* pages) const { munmap(pages, 2 * page_bytes()); }

void RingReader::Receiver::hand_over(std::span<const std::uint8_t> record) {
  std::uint32_t kind = 0;
  if (record.size() >= sizeof kind) std::memcpy(&kind, record.data(), sizeof kind);
  ++handed_over[kind < handed_over.size() ? kind : 0];
  on_record(record);
}

int RingReader::take(void* receiver, void* data, std::size_t size) {
  auto& to = *static_cast<Receiver*>(receiver);
  const auto* bytes = static_cast<const std::uint8_t*>(data);
  if (!to.keeps) {
    to.hand_over({bytes, size});
    return 0;
  }
  const std::uint64_t length = size;
  const auto* prefix = reinterpret_cast<const std::uint8_t*>(&length);
  to.kept.insert(to.kept.end(), prefix, prefix + sizeof length);
  to.kept.insert(to.kept.end(), bytes, bytes + size);
  return 0;
}

RingReader::RingReader(std::unique_ptr<Receiver> receiver, std::unique_ptr<ring_buffer, Free> ring, Positions positions)
    : positions_(std::move(positions)), receiver_(std::move(receiver)), ring_(std::move(ring)) {}
RingReader::RingReader(RingReader&&) noexcept = default;
RingReader& RingReader::operator=(RingReader&&) noexcept = default;
RingReader::~RingReader() = default;

Result<RingReader> RingReader::open(int ring_map_fd, OnRecord on_record) {
  auto held = std::make_unique<Receiver>(Receiver{
      .on_record = std::move(on_record), .handed_over = std::vector<std::uint64_t>(MTLSWATCH_KIND_COUNT), .keeps = false, .kept = {}});
  std::unique_ptr<ring_buffer, Free> ring(ring_buffer__new(ring_map_fd, take, held.get(), nullptr));
  if (!ring) return system_error("map the ring buffer", errno);
  // The layout is the kernel's (kernel/bpf/ringbuf.c): a page with the consumer's position, a page with the producer's.
  void* pages = mmap(nullptr, 2 * page_bytes(), PROT_READ, MAP_SHARED, ring_map_fd, 0);
  return RingReader(std::move(held), std::move(ring), Positions(pages == MAP_FAILED ? nullptr : pages));
}

std::uint64_t RingReader::waiting_bytes() const {
  if (!positions_) return 0;
  const auto* consumer = static_cast<const std::uint64_t*>(positions_.get());
  const auto* producer = reinterpret_cast<const std::uint64_t*>(static_cast<const char*>(positions_.get()) + page_bytes());
  const std::uint64_t read_to = __atomic_load_n(consumer, __ATOMIC_ACQUIRE);
  const std::uint64_t written_to = __atomic_load_n(producer, __ATOMIC_ACQUIRE);
  return written_to > read_to ? written_to - read_to : 0;
}

Status RingReader::drain() {
  hand_over_kept();
  return consume();
}

// What makes the loop stand still is attaching and detaching: each waits for the kernel's grace periods.
void RingReader::drain_beside(const std::function<void()>& work) {
  receiver_->keeps = true;
  std::atomic<bool> ends = false;
  std::thread drainer = start_plain_thread([&] {
    for (; !ends; std::this_thread::sleep_for(kBetweenDrains)) {
      if (receiver_->kept.size() >= kKeptBytes || !consume()) return;
    }
  });
  work();
  ends = true;
  drainer.join();
  receiver_->keeps = false;
}

void RingReader::hand_over_kept() {
  const std::vector<std::uint8_t> kept = std::exchange(receiver_->kept, {});
  for (std::size_t at = 0; at < kept.size();) {
    std::uint64_t size = 0;
    std::memcpy(&size, kept.data() + at, sizeof size);
    at += sizeof size;
    receiver_->hand_over({kept.data() + at, size});
    at += size;
  }
}

Status RingReader::consume() {
  most_waiting_ = std::max(most_waiting_, waiting_bytes());
  const int result = ring_buffer__consume(ring_.get());
  if (result < 0) return system_error("drain the ring buffer", -result);
  return Done{};
}

int RingReader::fd() const { return ring_buffer__epoll_fd(ring_.get()); }

}  // namespace mtlswatch
