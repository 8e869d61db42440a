// SPDX-License-Identifier: Apache-2.0
#include "userspace/decode/encrypted_turns.h"

namespace mtlswatch {
namespace {

constexpr std::size_t kHeaderBytes = 5;  // RFC 8446 section 5.1
constexpr std::uint8_t kChangeCipherSpec = 0x14, kHandshake = 0x16, kApplicationData = 0x17;
// In TLS 1.3 alerts and key updates are application data too: at most 5 bytes, a type and a tag of 16. The shortest
// request, "GET / HTTP/1.0" with two line ends, has 18.
constexpr std::size_t kShortestRequest = 18 + 16;
// Of the handshake records that a client ends its turn with, a ClientHello is longer than an encrypted Finished: 16 bytes, an
// IV of 16, a MAC of 48 and padding of 16 at most.
constexpr std::size_t kLongestFinished = 128;

}  // namespace

void EncryptedTurns::feed(const Piece& piece, std::vector<EncryptedRequest>& out, ByteMask* mask) {
  if (piece.turn_start) {
    done_ = false;
    // The Finished of TLS 1.3 may come without a mark of its own (RFC 8446 appendix D.4).
    handshake_ = said_hello_ && static_cast<std::uint32_t>(next_) == static_cast<std::uint32_t>(piece.position);
    turn_ = next_ = piece.position;
  }
  while (!done_) {
    const auto offset = static_cast<std::int32_t>(static_cast<std::uint32_t>(next_) - static_cast<std::uint32_t>(piece.position));
    if (offset >= 0 && static_cast<std::size_t>(offset) >= piece.bytes.size()) return;  // in a later piece
    const auto at = static_cast<std::size_t>(offset);
    done_ = offset < 0 || piece.bytes.size() - at < kHeaderBytes || piece.bytes[at + 1] != 3;
    if (done_) return;
    if (mask != nullptr) mask->keep(at, kHeaderBytes);
    const std::uint8_t type = piece.bytes[at];
    const std::size_t length = piece.bytes[at + 3] * 256u + piece.bytes[at + 4];
    said_hello_ = type == kHandshake && length > kLongestFinished;
    handshake_ |= type == kChangeCipherSpec || type == kHandshake;
    if (type == kApplicationData && length >= kShortestRequest) {
      out.push_back({piece.time_ns, handshake_ ? next_ : turn_, handshake_});
      done_ = !handshake_;
    }
    next_ = static_cast<std::uint32_t>(next_ + kHeaderBytes + length);
  }
}

}  // namespace mtlswatch
