/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sockets that are older than their observation. The agent runs the two passes in turn and reads the records from the
 * iterator itself, so that the ring cannot drop them: first every listening socket, then the connections of observed
 * processes and those to protected ports.
 */
#include "kernel_types.h"

#include "connection.bpf.h"

#include <bpf/bpf_tracing.h>

static __always_inline struct sock *stream_socket(struct file *file)
{
	struct socket *socket = file ? bpf_sock_from_file(file) : 0;
	struct sock *sk = socket ? socket->sk : 0;
	return sk && (is_tcp(sk) || is_unix_stream(sk)) ? sk : 0;
}

static __always_inline void write_record(struct bpf_iter__task_file *ctx, struct sock *sk, __u32 kind,
					 const struct connection_state *state)
{
	struct mtlswatch_connection record;
	__builtin_memset(&record, 0, sizeof(record));
	stamp(&record.header, kind, sizeof(record), state->pid, state->tid);
	fill_connection(&record, sk, state);
	bpf_seq_write(ctx->meta->seq, &record, sizeof(record));
}

static __always_inline void describe_owner(struct connection_state *state, struct task_struct *task)
{
	state->pid = task->tgid;
	state->tid = task->pid;
	state->uid = BPF_CORE_READ(task, cred, euid.val);
	BPF_CORE_READ_INTO(&state->comm, task, comm);
}

/* Why this hook: the file table says which process holds which socket, which no socket list does. */
SEC("iter/task_file")
int on_listener(struct bpf_iter__task_file *ctx)
{
	struct sock *sk = stream_socket(ctx->file);
	struct task_struct *task = ctx->task;
	struct connection_state state = {};
	__u8 present = 1;
	if (!sk || !task || sk->__sk_common.skc_state != TCP_LISTEN)
		return 0;
	struct listening_key key = { .netns = netns_of(sk), .port = sk->__sk_common.skc_num };
	if (!is_unix_stream(sk))
		bpf_map_update_elem(&listening_ports, &key, &present, BPF_ANY);
	describe_owner(&state, task);
	state.uid = sk->sk_uid.val;
	state.cookie = bpf_get_socket_cookie(sk);
	state.role = MTLSWATCH_ROLE_INGRESS;
	write_record(ctx, sk, MTLSWATCH_KIND_LISTENER, &state);
	return 0;
}

static __always_inline _Bool is_wanted(struct sock *sk, __u32 pid)
{
	__u16 port = bpf_ntohs(sk->__sk_common.skc_dport);
	if (observed(pid))
		return 1;
	if (!is_tcp(sk) || !bpf_map_lookup_elem(&protected_ports, &port) || listens_here(sk) || pid == agent_pid)
		return 0;
	observe(pid, MTLSWATCH_OBSERVED_PEER);
	return 1;
}

static __always_inline void mark(struct sock *sk, struct connection_state *state, struct task_struct *task)
{
	if (!state->cookie) {
		describe_owner(state, task);
		state->cookie = bpf_get_socket_cookie(sk);
		state->relative = is_unix_stream(sk);
		state->predates = 1;
		if (is_tcp(sk))
			state->predates = was_read_before(sk, received_until(sk));
	}
	if (is_unix_stream(sk))
		state->role = unix_role(sk);
	else
		state->role = listens_here(sk) ? MTLSWATCH_ROLE_INGRESS : MTLSWATCH_ROLE_EGRESS;
	state->announced = 1;
}

SEC("iter/task_file")
int on_older_connection(struct bpf_iter__task_file *ctx)
{
	struct sock *sk = stream_socket(ctx->file);
	struct task_struct *task = ctx->task;
	struct connection_state *state;
	if (!sk || !task || sk->__sk_common.skc_state != TCP_ESTABLISHED || !is_wanted(sk, task->tgid))
		return 0;
	state = state_of(sk, 1);
	if (!state)
		return 0;
	if (state->announced && state->role != MTLSWATCH_ROLE_UNKNOWN)
		return 0;
	mark(sk, state, task);
	write_record(ctx, sk, MTLSWATCH_KIND_CONNECTION, state);
	return 0;
}
