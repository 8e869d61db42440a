/* SPDX-License-Identifier: Apache-2.0 */
/* The inline cores of bpf/ as programs that BPF_PROG_TEST_RUN can run, which a uprobe program is not. Arguments arrive as
 * the context; what the cores read of user memory is that of the test. */
#include "kernel_types.h"

#include "io_record.bpf.h"
#include "session.bpf.h"
#include "user_message.bpf.h"

#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile __u32 agent_pid = 0;
const volatile __u64 socket_identity_key = 0;
const volatile __u8 zeros[MTLSWATCH_IO_DATA_BYTES] = {};
__u64 records_lost = 0;

SEC("raw_tp")
int BPF_PROG(run_enter_handshake, __u64 ssl)
{
	enter_handshake(ssl, MTLSWATCH_DRIVER_HANDSHAKE);
	return 0;
}

SEC("raw_tp")
int BPF_PROG(run_enter_read, __u64 ssl, __u64 buffer)
{
	enter_read(ssl, buffer, observed(current_pid()));
	return 0;
}

SEC("raw_tp")
int BPF_PROG(run_feed, __u64 cookie)
{
	struct thread_state *thread = thread_of_current(1);
	if (thread)
		thread->fed_cookie = cookie;
	return 0;
}

SEC("raw_tp")
int BPF_PROG(run_keep_first, __u64 cookie, __u64 address, __u64 moved, __u64 is_tls)
{
	struct connection_state state = { .cookie = cookie, .awaits_server_hello = is_tls };
	keep_first(thread_of_current(1), &state, address, moved);
	return 0;
}

SEC("raw_tp")
int BPF_PROG(run_see_bytes_fed, __u64 address, __u64 length)
{
	see_bytes_fed(address, (int)length);
	return 0;
}

SEC("raw_tp")
int BPF_PROG(run_note_received, __u64 cookie, __u64 turn)
{
	struct thread_state *thread = thread_of_current(1);
	if (thread)
		note_received(thread, cookie, turn, 0);
	return 0;
}

SEC("raw_tp")
int BPF_PROG(run_leave_handshake, __u64 result)
{
	leave_handshake((int)result, 1);
	return 0;
}

SEC("raw_tp")
int BPF_PROG(run_see_certificate, __u64 in, __u64 length)
{
	see_certificate(in, length);
	return 0;
}

SEC("raw_tp")
int BPF_PROG(run_see_session_offered, __u64 in, __u64 length)
{
	see_session_offered(in, length);
	return 0;
}

SEC("raw_tp")
int BPF_PROG(run_see_verify_result, __u64 code)
{
	see_verify_result((int)code);
	return 0;
}

SEC("raw_tp")
int BPF_PROG(run_expect_verification, __u64 cookie)
{
	expect_verification(cookie);
	return 0;
}

SEC("raw_tp")
int BPF_PROG(run_see_verify_callback_set)
{
	see_verify_callback_set();
	return 0;
}

SEC("raw_tp")
int BPF_PROG(run_see_verify_callback, __u64 preverify_ok, __u64 context)
{
	see_verify_callback((int)preverify_ok, context);
	return 0;
}

SEC("raw_tp")
int BPF_PROG(run_see_verify_context, __u64 context)
{
	see_verify_context(context);
	return 0;
}

SEC("raw_tp")
int BPF_PROG(run_see_error, __u64 library, __u64 reason)
{
	see_error((int)library, (int)reason);
	return 0;
}

SEC("raw_tp")
int BPF_PROG(run_note_missed_call)
{
	note_missed_call();
	return 0;
}

SEC("raw_tp")
int BPF_PROG(run_bind_handshake, __u64 cookie, __u64 role, __u64 result)
{
	struct connection_state state = { .cookie = cookie, .role = role };
	bind_handshake(thread_of_current(0), &state, (int)result);
	return 0;
}

/* In the name of a connection 1, with a witness 2 and every record a turn. */
SEC("raw_tp")
int BPF_PROG(run_emit_message, __u64 user_data, __u64 wanted, __u64 length, __u64 position)
{
	struct io_part part = { .cookie = 1, .turn = 3, .witness = { .cookie = 2, .position = 5, .turn = 4 } };
	part.flags = MTLSWATCH_IO_TURN;
	part.user_data = user_data;
	part.length = length;
	part.position = position;
	emit_message(&part, wanted);
	return 0;
}

SEC("raw_tp")
int BPF_PROG(run_waiting_bytes)
{
	return bpf_ringbuf_query(&records, BPF_RB_AVAIL_DATA);
}

/* The system call that runs this is bpf(2): none that moves a message. Returns what was found, which should be nothing. */
SEC("raw_tp")
int BPF_PROG(run_user_message)
{
	struct user_buffer buffer = {};
	user_buffer_of_current(&buffer);
	return buffer.address || buffer.contiguous_bytes;
}

/* The largest record that is made by this door, as it comes out of it. */
SEC("raw_tp")
int BPF_PROG(run_reserve_record)
{
	void *record = reserve_record(MTLSWATCH_KIND_CONNECTION, sizeof(struct mtlswatch_connection));
	if (record)
		submit_record(record);
	return 0;
}
