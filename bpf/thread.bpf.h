/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the current thread is doing: the connection it last received from, the handshake it drives. */
#pragma once

#include "maps.bpf.h"

static __always_inline struct thread_state *thread_of_current(_Bool create)
{
	struct thread_state *thread = bpf_task_storage_get(&threads, bpf_get_current_task_btf(), 0,
							   create ? BPF_LOCAL_STORAGE_GET_F_CREATE : 0);
	if (!thread && create)
		count_failure(MTLSWATCH_FAILURE_THREAD_STATE);
	return thread;
}

/* Of a TLS server: its ServerHello is out. */
static __always_inline _Bool has_answered(const struct connection_state *state)
{
	return state->send_turn && !state->awaits_server_hello;
}

static __always_inline _Bool is_first(const struct thread_state *thread, const __u8 *bytes)
{
	for (int i = 0; i < FIRST_KEPT_BYTES; i++)
		if (thread->first[i] != bytes[i])
			return 0;
	return 1;
}

/* A program hands bytes to TLS that it has read elsewhere. They are this thread's last ClientHello if they begin alike:
 * 21 bytes of a client's random leave no room for chance. What is no TLS may be mistaken for its like, of which no
 * handshake comes either. */
static __always_inline void see_bytes_fed(__u64 address, int length)
{
	struct thread_state *thread = thread_of_current(0);
	__u8 bytes[FIRST_KEPT_BYTES] = {};
	__u32 kept;
	if (!thread || !thread->first_cookie)
		return;
	kept = thread->first_bytes;
	barrier_var(kept);
	if (kept > FIRST_KEPT_BYTES || length < (int)kept)
		return;
	if (bpf_probe_read_user(bytes, kept, (void *)address) || !is_first(thread, bytes))
		return;
	thread->fed_cookie = thread->first_cookie;
	thread->first_cookie = 0;
}

/* Bytes with which no handshake begins that could succeed: neither a TLS record (RFC 8446 section 5.1), cut short or not,
 * nor a ClientHello in the SSL 2.0 format (RFC 5246 appendix E.2). */
static __always_inline _Bool is_noise(const __u8 *first, __u32 moved)
{
	return moved >= 2 && first[0] < 0x80 && !(first[0] == 0x16 && first[1] == 3);
}

static __always_inline void keep_first(struct thread_state *thread, const struct connection_state *state, __u64 address,
				       __u32 moved)
{
	__u32 kept = moved;
	if (!thread || thread->ssl || state->role == MTLSWATCH_ROLE_EGRESS)
		return;
	thread->first_cookie = 0;
	__builtin_memset(thread->first, 0, FIRST_KEPT_BYTES);
	if (kept > FIRST_KEPT_BYTES)
		kept = FIRST_KEPT_BYTES;
	barrier_var(kept);
	kept &= 2 * FIRST_KEPT_BYTES - 1; /* which it is: Linux 6.1's verifier knows no bound of a 32-bit copy */
	if (bpf_probe_read_user(thread->first, kept, (void *)address))
		return;
	if ((state->awaits_server_hello && kept == FIRST_KEPT_BYTES) || is_noise(thread->first, kept))
		thread->first_cookie = state->cookie;
	thread->first_bytes = kept;
}

static __always_inline void note_received(struct thread_state *thread, __u64 cookie, __u64 turn, __u64 position)
{
	thread->received_cookie = cookie;
	thread->received_turn = turn;
	thread->received_position = position;
	thread->received_since_stream = !thread->ssl; /* a handshake's bytes are no request */
	if (thread->fed_cookie != cookie) /* the thread went on to somebody else: whose SSL object reads next is open */
		thread->fed_cookie = 0;
	if (thread->first_cookie != cookie)
		thread->first_cookie = 0;
	thread->connecting = 0;
	thread->request = 0;
	thread->forwarding = 0;
}

/* A handshake belongs to the accepted socket that is received from inside the call that drives it: a fact, where "the
 * thread's latest connection" would be a guess. Two such sockets inside one call contradict each other. */
static __always_inline void bind_handshake(struct thread_state *thread, const struct connection_state *state,
					   int result)
{
	if (!thread || !thread->ssl || state->role == MTLSWATCH_ROLE_OTHER)
		return;
	if (thread->handshake_cookie && thread->handshake_cookie != state->cookie) {
		thread->handshake_flags |= MTLSWATCH_HANDSHAKE_CONFLICT;
		return;
	}
	thread->handshake_cookie = state->cookie;
	thread->handshake_answered = has_answered(state);
	thread->fed_cookie = 0;
	thread->receive_result = result;
	thread->handshake_flags |= MTLSWATCH_HANDSHAKE_RECEIVED;
}

/* A call that was perhaps one of this handshake's was not taken. */
static __always_inline void note_missed_call(void)
{
	struct thread_state *thread = thread_of_current(0);
	count_failure(MTLSWATCH_FAILURE_FIND_CALLER);
	if (thread && thread->ssl)
		thread->handshake_flags |= MTLSWATCH_HANDSHAKE_INCOMPLETE;
}
