/* SPDX-License-Identifier: Apache-2.0 */
/* The inline cores of bpf/stream.bpf.h and bpf/request.bpf.h as programs that BPF_PROG_TEST_RUN can run, which a uprobe program is not. */
#include "kernel_types.h"

#include "request.bpf.h"

#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile __u32 agent_pid = 0;
const volatile __u64 socket_identity_key = 0;
const volatile __u8 states_by_address = 0;
__u64 cookies_made = 0;
const volatile __u8 zeros[MTLSWATCH_IO_DATA_BYTES] = {};
__u64 records_lost = 0;

SEC("raw_tp")
int BPF_PROG(run_begin_session, __u64 session)
{
	begin_session(session);
	return 0;
}

SEC("raw_tp")
int BPF_PROG(run_end_session, __u64 session)
{
	end_session(session);
	return 0;
}

SEC("raw_tp")
int BPF_PROG(run_begin_stream, __u64 session, __u64 side)
{
	begin_stream(session);
	begin_upstream_side(side);
	return 0;
}

SEC("raw_tp")
int BPF_PROG(run_begin_check, __u64 side)
{
	forget_stream(side);
	return 0;
}

SEC("raw_tp")
int BPF_PROG(run_attach_stream, __u64 side, __u64 connection)
{
	attach_stream(side, connection);
	return 0;
}

SEC("raw_tp")
int BPF_PROG(run_connect_upstream, __u64 connection)
{
	connect_upstream(connection);
	return 0;
}

SEC("raw_tp")
int BPF_PROG(run_name_connecting, __u64 cookie)
{
	name_connecting(cookie);
	return 0;
}

/* As follow_receive notes it, inside a call that drives handshake ssl, or outside. */
SEC("raw_tp")
int BPF_PROG(run_receive, __u64 cookie, __u64 position, __u64 ssl)
{
	struct thread_state *thread = thread_of_current(1);
	if (!thread)
		return 0;
	thread->ssl = ssl;
	note_received(thread, cookie, 1, position);
	thread->ssl = 0;
	return 0;
}

SEC("raw_tp")
int BPF_PROG(run_begin_forwarding, __u64 request)
{
	begin_forwarding(request);
	return 0;
}

SEC("raw_tp")
int BPF_PROG(run_forward_to_peer, __u64 peer)
{
	forward_to_peer(peer);
	return 0;
}

/* As follow_send does for what begins a turn on a connected socket. */
SEC("raw_tp")
int BPF_PROG(run_send_on, __u64 cookie)
{
	struct thread_state *thread = thread_of_current(0);
	if (thread && thread->forwarding)
		tell_forwarded(thread, cookie);
	return 0;
}
