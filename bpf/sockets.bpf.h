/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Following messages through the sockets of observed processes. The hooks are thin (sockets.bpf.c); this is the core
 * that any source of "so many bytes moved on this socket" can call.
 */
#pragma once

#include "connection.bpf.h"
#include "first_bytes.bpf.h"
#include "io_record.bpf.h"
#include "stream.bpf.h"

/* at_birth: nothing can have moved on it before; a Unix socket does not tell how much did. Not to be said where states are
 * found by address, which may have been forgotten meanwhile. */
static __always_inline struct connection_state *connection_of(struct sock *sk, __u32 process, _Bool at_birth)
{
	struct connection_state *state = state_of(sk, 1);
	if (!state || state->cookie)
		return state;
	state->cookie = new_cookie(sk);
	set_owner(state);
	if (is_unix_stream(sk)) {
		state->role = unix_role(sk);
		state->relative = !at_birth || !(process & MTLSWATCH_OBSERVED_SCANNED);
		state->predates = state->relative;
	} else {
		state->role = process & MTLSWATCH_OBSERVED_SCANNED ? MTLSWATCH_ROLE_INGRESS : MTLSWATCH_ROLE_UNKNOWN;
	}
	return state;
}

/* Requests are read at sockets that a backend accepted; what it sends to databases and others is not looked at. */
static __always_inline _Bool is_followed(const struct connection_state *state, __u32 process)
{
	return state->role != MTLSWATCH_ROLE_OTHER &&
	       !(process & MTLSWATCH_OBSERVED_BACKEND && state->role == MTLSWATCH_ROLE_EGRESS);
}

static __always_inline _Bool already_reported(struct connection_state *state, __u64 witness)
{
	for (int i = 0; i < REPORTED_WITNESSES; i++)
		if (state->reported[i] == witness)
			return 1;
	state->reported[state->reported_next++ % REPORTED_WITNESSES] = witness;
	return 0;
}

/* What this thread received last, if that was on another connection. Returns whether it is news on this one. What is sent
 * first on a connection is what it was connected for, and that was decided before it was established. */
static __always_inline _Bool take_witness(struct io_part *part, struct connection_state *state,
					  const struct thread_state *thread)
{
	struct received_turn last = state->at_connect;
	if (!last.cookie && thread) {
		last.cookie = thread->received_cookie;
		last.turn = thread->received_turn;
		last.position = thread->received_position;
	}
	__builtin_memset(&state->at_connect, 0, sizeof(state->at_connect));
	if (!last.cookie || last.cookie == state->cookie)
		return 0;
	part->witness.cookie = last.cookie;
	part->witness.turn = last.turn;
	part->witness.position = last.position;
	return !already_reported(state, last.cookie << 20 ^ last.turn);
}

/* A Unix socket never takes SOCK_NOSPACE back; it has no space while sock_alloc_send_pskb would find none. */
static __always_inline _Bool has_no_space(struct sock *sk)
{
	if (is_unix_stream(sk))
		return BPF_CORE_READ(sk, sk_wmem_alloc.refs.counter) - 1 >= BPF_CORE_READ(sk, sk_sndbuf);
	return BPF_CORE_READ(sk, sk_socket, flags) >> SOCK_NOSPACE & 1;
}

/* Sends of a backend: the status line, and no more. Any send may begin a response, since requests can be pipelined. */
static __always_inline __u32 status_bytes(const struct user_buffer *buffer, __u32 moved)
{
	char start[5] = {};
	if (moved > buffer->contiguous_bytes)
		moved = buffer->contiguous_bytes;
	if (moved < sizeof(start) || bpf_probe_read_user(start, sizeof(start), (void *)buffer->address))
		return 0;
	if (start[0] != 'H' || start[1] != 'T' || start[2] != 'T' || start[3] != 'P' || start[4] != '/')
		return 0;
	return moved < MTLSWATCH_STATUS_BYTES ? moved : MTLSWATCH_STATUS_BYTES;
}

/* Sends of a server: its ServerHello, and no more. */
static __always_inline __u32 hello_bytes(struct connection_state *state, struct user_buffer *buffer, __u32 moved)
{
	__u32 wanted;
	if (!moved || !(state->awaits_server_hello || state->send_budget))
		return 0;
	user_buffer_of_current(buffer);
	if (state->awaits_server_hello)
		begin_server_hello(state, buffer);
	wanted = moved < state->send_budget ? moved : state->send_budget;
	state->send_budget -= wanted;
	return wanted < buffer->contiguous_bytes ? wanted : buffer->contiguous_bytes;
}

static __always_inline __u32 as_server(__u32 process)
{
	return (process & ~MTLSWATCH_OBSERVED_BACKEND) | MTLSWATCH_OBSERVED_SERVER;
}

static __always_inline void begin_send(struct io_part *part, struct sock *sk, struct connection_state *state,
				       __u32 moved)
{
	part->cookie = state->cookie;
	part->length = moved;
	part->flags = MTLSWATCH_IO_SEND;
	if (state->blocked)
		part->flags |= MTLSWATCH_IO_RESUMED;
	if (state->relative)
		part->flags |= MTLSWATCH_IO_RELATIVE;
	if (moved && (!state->last_was_send || !state->used)) {
		part->flags |= MTLSWATCH_IO_TURN;
		state->send_turn++;
		state->last_was_send = 1;
	}
	part->turn = state->send_turn;
	part->position = state->unix_sent_bytes;
	if (is_tcp(sk))
		part->position = sent_until(sk) - moved;
	state->unix_sent_bytes += moved;
}

/* What is first sent on a TCP connection is what it was connected for; that was told then. */
static __always_inline void forward_on(struct thread_state *thread, struct sock *sk, const struct connection_state *state)
{
	if (state->used || is_unix_stream(sk))
		tell_forwarded(thread, state->cookie);
}

static __always_inline void follow_send(struct sock *sk, int result, __u32 process)
{
	struct connection_state *state = connection_of(sk, process, !states_by_address);
	struct thread_state *thread = thread_of_current(0);
	struct user_buffer buffer = {};
	struct io_part part = {};
	__u32 moved = result > 0 ? result : 0, wanted = 0;
	_Bool blocked, tell;
	if (!state || !is_followed(state, process))
		return;
	if (state->encrypted)
		process = as_server(process);
	if (is_tcp(sk) && !state->used && state->role != MTLSWATCH_ROLE_EGRESS && moved)
		state->predates |= BPF_CORE_READ((struct tcp_sock *)sk, bytes_received) != 0;
	begin_send(&part, sk, state, moved);
	if (thread && thread->forwarding && part.flags & MTLSWATCH_IO_TURN && state->role == MTLSWATCH_ROLE_EGRESS)
		forward_on(thread, sk, state);
	blocked = state->role != MTLSWATCH_ROLE_EGRESS && has_no_space(sk);
	if (blocked)
		part.flags |= MTLSWATCH_IO_BLOCKED;
	tell = part.flags & MTLSWATCH_IO_TURN || blocked != state->blocked;
	state->blocked = blocked;
	if (moved)
		state->used = 1;
	if (!state->announced)
		announce(sk, state);
	if (process & MTLSWATCH_OBSERVED_BACKEND) {
		part.flags |= MTLSWATCH_IO_BACKEND;
		part.received = is_tcp(sk) ? received_until(sk) : state->unix_received_bytes;
		user_buffer_of_current(&buffer);
		wanted = status_bytes(&buffer, moved);
	} else {
		part.flags |= state->encrypted ? MTLSWATCH_IO_BACKEND : 0;
		tell |= take_witness(&part, state, thread) && moved;
		wanted = hello_bytes(state, &buffer, moved);
	}
	if (thread && thread->handshake_cookie == state->cookie)
		thread->handshake_answered = has_answered(state);
	if (!tell && !wanted)
		return;
	part.user_data = buffer.address;
	part.captured = wanted;
	emit_io(&part);
}

/* How many bytes of the message that now begins are wanted. */
static __always_inline void begin_receive_budget(struct connection_state *state, __u32 process)
{
	if (process & MTLSWATCH_OBSERVED_BACKEND)
		state->receive_budget = MTLSWATCH_BACKEND_PREFIX_BYTES;
	else if (!state->used && state->role != MTLSWATCH_ROLE_EGRESS)
		state->receive_budget = MTLSWATCH_FIRST_BYTES;
	else
		state->receive_budget = state->encrypted ? ENCRYPTED_TURN_BYTES : 0;
}

static __always_inline void begin_receive(struct io_part *part, struct sock *sk, struct connection_state *state,
					  __u32 moved, __u32 process)
{
	part->cookie = state->cookie;
	part->length = moved;
	part->position = state->unix_received_bytes;
	if (is_tcp(sk))
		part->position = received_until(sk) - moved;
	state->unix_received_bytes += moved;
	if (state->relative)
		part->flags |= MTLSWATCH_IO_RELATIVE;
	if (process & MTLSWATCH_OBSERVED_BACKEND || state->encrypted)
		part->flags |= MTLSWATCH_IO_BACKEND;
	if (moved && (state->last_was_send || !state->used)) {
		part->flags |= MTLSWATCH_IO_TURN;
		/* What comes back upstream answers the turn that was sent last, also where the first one sent was missed. */
		state->receive_turn = state->role == MTLSWATCH_ROLE_EGRESS ? state->send_turn : state->receive_turn + 1;
		state->receive_position = part->position;
		state->last_was_send = 0;
		begin_receive_budget(state, process);
	}
	part->turn = state->receive_turn;
}

static __always_inline void emit_received(struct connection_state *state, struct io_part *part, struct user_buffer *buffer,
					  __u32 moved)
{
	__u32 wanted = moved < state->receive_budget ? moved : state->receive_budget;

	state->receive_budget -= wanted;
	if (wanted > buffer->contiguous_bytes) {
		wanted = buffer->contiguous_bytes;
		part->flags |= MTLSWATCH_IO_CUT;
	}
	if (!wanted && (!(part->flags & (MTLSWATCH_IO_TURN | MTLSWATCH_IO_CUT)) || state->role == MTLSWATCH_ROLE_EGRESS))
		return;
	part->user_data = buffer->address;
	emit_message(part, wanted);
}

static __always_inline void follow_receive(struct sock *sk, int result, __u32 process)
{
	struct connection_state *state = connection_of(sk, process, !states_by_address);
	struct thread_state *thread = thread_of_current(1);
	struct user_buffer buffer = {};
	struct io_part part = {};
	__u32 moved = result > 0 ? result : 0;
	_Bool first;
	if (!state || !is_followed(state, process)) {
		if (thread && result > 0) /* what is fed to TLS next was received here */
			thread->first_cookie = thread->fed_cookie = 0;
		return;
	}
	first = !state->used;
	if (first && moved && process & MTLSWATCH_OBSERVED_BACKEND)
		state->encrypted = begins_with_tls(moved);
	if (state->encrypted)
		process = as_server(process);
	bind_handshake(thread, state, result);
	if (result < 0 || (result == 0 && state->ended))
		return;
	if (is_tcp(sk) && first && moved && state->role != MTLSWATCH_ROLE_EGRESS)
		state->predates |= was_read_before(sk, received_until(sk) - moved);
	begin_receive(&part, sk, state, moved, process);
	if (moved)
		state->used = 1;
	if (!state->announced)
		announce(sk, state);
	if (thread) {
		note_received(thread, state->cookie, state->receive_turn, state->receive_position);
		thread->received_answered = has_answered(state);
	}
	if (result == 0) {
		state->ended = 1;
		part.flags |= MTLSWATCH_IO_END;
		emit_io(&part);
		return;
	}
	if (state->receive_budget) {
		user_buffer_of_current(&buffer);
		if (first && !(process & MTLSWATCH_OBSERVED_BACKEND))
			learn_first_bytes(state, buffer.address, moved);
		if (first)
			keep_first(thread, state, buffer.address, moved);
	}
	emit_received(state, &part, &buffer, moved);
}

static __always_inline void see_send(struct sock *sk, int result)
{
	__u32 process = observed(current_pid());
	if (process && (is_tcp(sk) || is_unix_stream(sk)))
		follow_send(sk, result, process);
}

/* A peek moves nothing. */
static __always_inline void see_receive(struct sock *sk, int result, int flags)
{
	__u32 process = observed(current_pid());
	if (process && !(flags & (MSG_PEEK | MSG_OOB | MSG_ERRQUEUE)) && (is_tcp(sk) || is_unix_stream(sk)))
		follow_receive(sk, result, process);
}
