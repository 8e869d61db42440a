/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "kernel_types.h"

#include "sockets.bpf.h"
#include "stream.bpf.h"

#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile __u32 agent_pid = 0;
const volatile __u8 states_by_address = 0; /* no _Bool: the skeleton is C++ too */
__u64 cookies_made = 0;
const volatile __u64 socket_identity_key = 0;
const volatile __u8 zeros[MTLSWATCH_IO_DATA_BYTES] = {};
__u64 records_lost = 0;

/* Why this hook: the one place that every send on a socket passes, with the socket and the byte count, after the fact:
 * sendmsg, sendto, write, writev -> __sock_sendmsg -> sock_sendmsg_nosec -> sock_send_length. */
SEC("tp_btf/sock_send_length")
int BPF_PROG(on_socket_send, struct sock *sk, int result, int flags)
{
	see_send(sk, result);
	return 0;
}

/* Why this hook: likewise for recvmsg, recvfrom, read, readv -> sock_recvmsg -> sock_recv_length. */
SEC("tp_btf/sock_recv_length")
int BPF_PROG(on_socket_receive, struct sock *sk, int result, int flags)
{
	see_receive(sk, result, flags);
	return 0;
}

/* The connecting task is current: the only moment at which "who connected to Django" is certain. Whoever connects to a
 * protected port becomes observed, so that an unknown relay is a hop by itself. */
static __always_inline void on_connecting(struct sock *sk)
{
	__u16 port = bpf_ntohs(sk->__sk_common.skc_dport);
	__u32 pid = current_pid();
	_Bool is_protected = bpf_map_lookup_elem(&protected_ports, &port) != 0;
	_Bool is_observed = observed(pid) != 0;
	struct connection_state *state;
	struct thread_state *thread;
	if (pid == agent_pid || (!is_protected && !is_observed))
		return;
	if (is_protected)
		observe(pid, MTLSWATCH_OBSERVED_PEER);
	state = state_of(sk, 1);
	if (!state)
		return;
	__builtin_memset(state, 0, sizeof(*state));
	state->inode = inode_of(sk);
	state->cookie = bpf_get_socket_cookie(sk);
	state->role = MTLSWATCH_ROLE_EGRESS;
	state->by_stranger = !is_observed;
	set_owner(state);
	thread = thread_of_current(0);
	if (thread) {
		state->at_connect.cookie = thread->received_cookie;
		state->at_connect.turn = thread->received_turn;
		state->at_connect.position = thread->received_position;
	}
	name_connecting(state->cookie);
}

static __always_inline void on_listening(struct sock *sk)
{
	struct mtlswatch_process *record;
	__u32 pid = current_pid();
	observe(pid, MTLSWATCH_OBSERVED_LISTENER);
	record = reserve_record(MTLSWATCH_KIND_PROCESS, sizeof(*record));
	if (!record)
		return;
	record->change = MTLSWATCH_PROCESS_LISTEN;
	record->observed = observed(pid);
	record->port = sk->__sk_common.skc_num;
	submit_urgent_record(record);
}

static __always_inline void on_closed(struct sock *sk, int old_state)
{
	struct connection_state *state = state_of_closing(sk);
	struct mtlswatch_close *record;
	if (!state || !state->announced)
		return;
	record = reserve_record(MTLSWATCH_KIND_CLOSE, sizeof(*record));
	if (!record)
		return;
	record->header.pid = state->pid;
	record->header.tid = state->tid;
	record->cookie = state->cookie;
	record->ending = state->ending;
	if (!state->ending && (old_state == TCP_LAST_ACK || old_state == TCP_CLOSE_WAIT))
		record->ending = MTLSWATCH_ENDING_PEER; /* before its first bytes were read */
	else if (!state->ending && sk->sk_err)
		record->ending = MTLSWATCH_ENDING_RESET;
	submit_record(record);
}

/* Which end closed first tells a client that went away from a server that gave up. */
static __always_inline void note_ending(struct sock *sk, __u8 ending)
{
	struct connection_state *state = state_of(sk, 0);
	if (state && !state->ending)
		state->ending = ending;
}

/* Why this hook: connect, establishment, listen and the end of every TCP socket, from tcp_set_state and
 * inet_sk_state_store. At SYN_SENT the local port is not chosen yet, so the record waits for ESTABLISHED. */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_socket_state, struct sock *sk, int old_state, int new_state)
{
	struct connection_state *state;
	if (sk->sk_protocol != IPPROTO_TCP)
		return 0;
	if (new_state == TCP_SYN_SENT)
		on_connecting(sk);
	else if (new_state == TCP_LISTEN)
		on_listening(sk);
	else if (new_state == TCP_CLOSE_WAIT)
		note_ending(sk, MTLSWATCH_ENDING_PEER);
	else if (new_state == TCP_FIN_WAIT1)
		note_ending(sk, MTLSWATCH_ENDING_LOCAL);
	else if (new_state == TCP_CLOSE)
		on_closed(sk, old_state);
	else if (new_state == TCP_ESTABLISHED) {
		state = state_of(sk, 0);
		if (state && !state->announced)
			announce(sk, state);
	}
	return 0;
}
