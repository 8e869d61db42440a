/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a connection's first bytes say: TLS or not, and how much of the hellos is to be copied out. */
#pragma once

#include "maps.bpf.h"
#include "user_message.bpf.h"

/* Of each turn at a backend that ends TLS itself: the headers of its first records. */
#define ENCRYPTED_TURN_BYTES 128

/* "HelloRetryRequest" hashed, in place of a ServerHello's random (RFC 8446 section 4.1.3): its first bytes. */
static __always_inline _Bool is_retry_request(const __u8 *random)
{
	static const __u8 retry[8] = { 0xCF, 0x21, 0xAD, 0x74, 0xE5, 0x9A, 0x61, 0x11 };
	for (__u32 at = 0; at < sizeof(retry); at++)
		if (random[at] != retry[at])
			return 0;
	return 1;
}

/* A TLS server's first handshake record holds its ServerHello; its header tells how long it is. Behind a
 * HelloRetryRequest another one will come. A ChangeCipherSpec before that one is passed over. */
static __always_inline void begin_server_hello(struct connection_state *state, const struct user_buffer *buffer)
{
	__u8 start[19] = {}; /* headers of record and message, version, the random's first bytes */
	__u32 record;
	if (buffer->contiguous_bytes < sizeof(start) ||
	    bpf_probe_read_user(start, sizeof(start), (void *)buffer->address))
		return;
	if (start[0] != 0x16) {
		state->awaits_server_hello = start[0] == 0x14;
		return;
	}
	record = 5 + (start[3] << 8 | start[4]);
	state->send_budget = record < MTLSWATCH_HELLO_BYTES ? record : MTLSWATCH_HELLO_BYTES;
	state->awaits_server_hello = is_retry_request(start + 11);
}

static __always_inline _Bool is_tls_handshake(__u64 address)
{
	__u8 start[2] = {};
	return !bpf_probe_read_user(start, sizeof(start), (void *)address) && start[0] == 0x16 && start[1] == 3;
}

/* A backend may end TLS itself; then what it reads is no request, and it is followed like a proxy. */
static __always_inline _Bool begins_with_tls(__u32 moved)
{
	struct user_buffer buffer = {};
	user_buffer_of_current(&buffer);
	return moved >= 2 && is_tls_handshake(buffer.address);
}

/* Whoever is sent a TLS record first will send a ServerHello; whoever is sent a PROXY protocol header may. */
static __always_inline void learn_first_bytes(struct connection_state *state, __u64 address, __u32 moved)
{
	__u8 start[2] = {};
	if (moved < sizeof(start) || bpf_probe_read_user(start, sizeof(start), (void *)address))
		return;
	state->awaits_server_hello = (start[0] == 0x16 && start[1] == 3) || (start[0] == 'P' && start[1] == 'R') ||
				     (start[0] == '\r' && start[1] == '\n');
}
