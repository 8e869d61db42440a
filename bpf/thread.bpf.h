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

static __always_inline _Bool is_same_hello(const struct thread_state *thread, const __u8 *hello)
{
	for (int i = 0; i < HELLO_BYTES; i++)
		if (thread->hello[i] != hello[i])
			return 0;
	return 1;
}

/* A program hands bytes to TLS that it has read elsewhere. They are this thread's last ClientHello if they begin alike:
 * 21 bytes of a client's random leave no room for chance. */
static __always_inline void see_bytes_fed(__u64 address, int length)
{
	struct thread_state *thread = thread_of_current(0);
	__u8 hello[HELLO_BYTES] = {};
	if (!thread || !thread->hello_cookie || length < HELLO_BYTES)
		return;
	if (bpf_probe_read_user(hello, sizeof(hello), (void *)address) || !is_same_hello(thread, hello))
		return;
	thread->fed_cookie = thread->hello_cookie;
	thread->hello_cookie = 0;
}

static __always_inline void keep_hello(struct thread_state *thread, const struct connection_state *state, __u64 address,
				       __u32 moved)
{
	if (!thread || thread->ssl || moved < HELLO_BYTES || !state->awaits_server_hello)
		return;
	if (!bpf_probe_read_user(thread->hello, HELLO_BYTES, (void *)address))
		thread->hello_cookie = state->cookie;
}

static __always_inline void note_received(struct thread_state *thread, __u64 cookie, __u64 turn, __u64 position)
{
	thread->received_cookie = cookie;
	thread->received_turn = turn;
	thread->received_position = position;
	thread->received_since_stream = !thread->ssl; /* a handshake's bytes are no request */
	if (thread->fed_cookie != cookie) /* the thread went on to somebody else: whose SSL object reads next is open */
		thread->fed_cookie = 0;
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
