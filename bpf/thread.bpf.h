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
	thread->receive_result = result;
	thread->handshake_flags |= MTLSWATCH_HANDSHAKE_RECEIVED;
}
