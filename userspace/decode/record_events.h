// SPDX-License-Identifier: Apache-2.0
// Records that mean the same whatever came before -> events. Used by the decoder; the listener also by discovery's
// owner, app/. All take records whose size was checked.
#pragma once

#include <mtlswatch/event.h>

#include <cstdint>
#include <optional>
#include <span>

#include "userspace/model/events.h"
#include "userspace/model/process.h"

namespace mtlswatch {

/// Whether the values that name a role, a family or a length are among the known ones.
bool is_valid(const mtlswatch_connection& record);

ConnectionOpened connection_opened(const mtlswatch_connection& record);

/// A direction change, end of stream, witness or lack of space; nothing for a record that only carries bytes.
std::optional<Turn> turn_of(const mtlswatch_io& record);

StreamTied stream_tied(const mtlswatch_stream& record);

HandshakeStep handshake_step(const mtlswatch_handshake& record);

ConnectionClosed connection_closed(const mtlswatch_close& record);

/// An older session was offered, or the in-process cache was used; nothing for what is neither.
std::optional<Event> session_event(const mtlswatch_session& record);

/// Nothing if the change is none that is known.
std::optional<ProcessChange> process_change(const mtlswatch_process& record);

/// A record that says nothing but how many were lost before it.
mtlswatch_connection record_of_losses(std::uint64_t time_ns, std::uint64_t records_lost);

/// A raw record of kind LISTENER; nothing for every other record and for a malformed one.
std::optional<Listener> decode_listener(std::span<const std::uint8_t> record);

}  // namespace mtlswatch
