/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The maps that the programs share, and the state they hold. */
#pragma once

#include "kernel_types.h"

#include <mtlswatch/event.h>

#include <bpf/bpf_helpers.h>

#define REPORTED_WITNESSES 4

/* The connection that a thread last received from, and where its present turn began. cookie 0: none. */
struct received_turn {
	__u64 cookie;
	__u64 turn;
	__u64 position;
};

/* What is known of one socket. Lives in the socket. */
struct connection_state {
	__u64 cookie;
	__u64 inode; /* of the socket; kept where states are found by address */
	__u64 send_turn; /* ordinals of turns, from 1 */
	__u64 receive_turn;
	__u64 receive_position; /* where the last received turn began */
	__u64 unix_sent_bytes;
	__u64 unix_received_bytes;
	__u64 reported[REPORTED_WITNESSES]; /* witnesses already told at sends on this connection */
	struct received_turn at_connect; /* by the thread that connected it */
	__u64 cgroup_id; /* of the task that connected */
	__u32 pid; /* of the task that connected or first used it */
	__u32 tid;
	__u32 uid;
	__u32 reported_next;
	__u32 receive_budget; /* bytes of the present message still to be copied out */
	__u32 send_budget;
	__u8 role; /* enum mtlswatch_role */
	__u8 announced; /* its connection record is out */
	__u8 last_was_send;
	__u8 used; /* some bytes have moved */
	__u8 blocked; /* the last send left no space */
	__u8 ended; /* end of stream was told */
	__u8 ending; /* enum mtlswatch_ending */
	__u8 relative; /* Unix: counts do not start at the stream's first byte */
	__u8 predates;
	__u8 encrypted; /* accepted by a backend that ends TLS itself: its bytes are no requests */
	__u8 awaits_server_hello; /* a TLS server whose ServerHello has not been sent */
	__u8 closed; /* its end was told; where states are found by address */
	__u8 by_stranger; /* connected to a protected port by a process that was not observed until then */
	char comm[MTLSWATCH_COMM_BYTES];
};

#define FIRST_KEPT_BYTES 32 /* beginning of a ClientHello's record: 21 bytes of it are the client's random */

/* What is known of one stream of a proxy that queues: whose request it carries. ingress_cookie 0: not known. */
struct stream_origin {
	__u64 ingress_cookie;
	__u64 received_cookie; /* as in struct mtlswatch_stream */
	__u64 received_position;
	__u64 session_started_ns;
	__u32 flags; /* enum mtlswatch_stream_flags */
	__u32 reserved;
};

/* What one thread is doing. Lives in the thread. */
struct thread_state {
	__u64 received_cookie; /* the connection it last received from */
	__u64 received_turn;
	__u64 received_position;
	__u64 first_cookie; /* the connection whose first bytes it received last, and ... */
	__u8 first[FIRST_KEPT_BYTES]; /* ... how those begin, then zeros */
	__u32 first_bytes; /* of them */
	__u64 fed_cookie; /* those bytes were then handed to a memory BIO; 0: not, or taken */
	__u64 ssl; /* inside a call that drives this handshake; 0: outside */
	__u64 handshake_started_ns;
	__u64 handshake_cookie; /* the accepted socket received from inside it */
	__s32 verify_code;
	__s32 reason;
	__s32 receive_result;
	__u32 certificates;
	__u32 handshake_flags; /* enum mtlswatch_handshake_flags */
	__u64 certificate_der; /* address of the one last seen */
	__s32 told_error; /* what the verification of this handshake's chain reported last; 0: nothing */
	__u32 told_depth; /* and of which certificate */
	__u16 depth_offset; /* in an X509_STORE_CTX of the library in use; 0: not known */
	__u16 error_offset;
	__u8 has_verify_callback; /* so the verification may have gone on after an error */
	__u32 driver; /* enum mtlswatch_driver */
	__u64 read_buffer; /* where this call of SSL_read puts what it reads; 0: nobody asks */
	__u64 done_ssl; /* of the last handshake call, if that succeeded ... */
	__u64 done_cookie; /* ... and its connection */
	__u64 asked_ssl; /* SSL_get1_session was called for it */
	__u64 taken_session; /* and returned this */
	__u64 stream_session; /* the proxy's session whose stream is being made; 0: none that is known */
	__u32 stream_flags; /* enum mtlswatch_stream_flags of that stream */
	__u32 received_since_stream; /* after the last stream was made or attached; outside of handshakes */
	__u64 attached_connection; /* the proxy's upstream connection that a stream was last given ... */
	struct stream_origin attached; /* ... and that stream */
	__u64 connecting; /* the proxy's upstream connection that is about to connect; 0: none */
	__u64 request; /* nginx's request that begins to be forwarded; 0: none */
	__u8 received_answered; /* the connection it last received from has answered its ClientHello */
	__u8 forwarding; /* what it connects or sends next carries the request of attached.ingress_cookie */
	__u8 handshake_answered; /* the ServerHello is out: sessions decoded now are tickets being made */
};

/* key: none, value: as above. Written by the socket programs and the iterator; the kernel frees it with the socket. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct connection_state);
} connections SEC(".maps") __weak;

/* key: address of a socket, value: as above; instead of it where programs get sockets as mere addresses. Written by the
 * same. A socket's later namesake is told by its inode. Full: the least recently used one goes, and is met anew. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536); /* 1 where it is not used */
	__type(key, __u64);
	__type(value, struct connection_state);
} connections_by_address SEC(".maps") __weak;

/* key: none, value: as above. Written by socket and handshake programs; freed with the thread. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct thread_state);
} threads SEC(".maps") __weak;

struct session_key {
	__u64 ssl;
	__u32 pid;
	__u32 reserved;
};

struct session_state {
	__u64 cookie; /* the connection whose bytes it is fed with */
	__u64 established; /* equal to cookie once application data was read from it */
	__u64 read_bytes; /* of application data */
	__u64 content_turn; /* the client's turn that content_left is about */
	__u32 content_left; /* bytes of it that may still be copied out */
	__u32 content_ended; /* that there are more was told */
};

/* key: an SSL object whose handshake is driven by SSL_read or fed through memory. Written by the handshake programs. Full:
 * the least recently used one goes, and is unbound or told again. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct session_key);
	__type(value, struct session_state);
} sessions SEC(".maps") __weak;

/* key: thread group id, value: enum mtlswatch_observed. Written by the agent (discovery) and by connect, listen, fork
 * and exec; deleted at exit. Full: the process stays unobserved, MTLSWATCH_FAILURE_OBSERVE counts it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, __u32);
} observed_processes SEC(".maps") __weak;

/* key: TCP port in host order that a backend listens on, value: unused. Written by the agent. Full: the agent says so. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u16);
	__type(value, __u8);
} protected_ports SEC(".maps") __weak;

struct listening_key {
	__u32 netns;
	__u32 port;
};

/* key: a listening TCP port, value: unused. Written by the iterator's first pass, read by its second; after the first the
 * agent deletes those on which nobody listens any more. Full: accepted sockets of that port are taken for connected ones and stay without a session. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct listening_key);
	__type(value, __u8);
} listening_ports SEC(".maps") __weak;

/* The way out. The agent sets its size and drains it; a full ring drops the record and counts it. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} records SEC(".maps") __weak;

/* key: enum mtlswatch_kind. Written at every reserve, read by the agent. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MTLSWATCH_KIND_COUNT);
	__type(key, __u32);
	__type(value, struct mtlswatch_record_counter);
} record_counters SEC(".maps") __weak;

/* key: enum mtlswatch_failure. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MTLSWATCH_FAILURE_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} failure_counters SEC(".maps") __weak;

/* key: a uprobe's cookie without flags. Written at every hit, read and zeroed by the agent. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MTLSWATCH_PROBE_SLOTS * MTLSWATCH_PROBE_PURPOSES);
	__type(key, __u32);
	__type(value, struct mtlswatch_probe_hits);
} probe_hits SEC(".maps") __weak;

/* key: inode number of a TLS library whose own calls cannot be probed, value: unused. Written by the agent. Full: that
 * library stays blind, and the agent says so. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MTLSWATCH_PROBE_SLOTS);
	__type(key, __u64);
	__type(value, __u8);
} calling_files SEC(".maps") __weak;

/* Set by the agent before load. */
extern const volatile __u32 agent_pid; /* never observed */
extern const volatile __u8 states_by_address;
extern __u64 cookies_made;
extern const volatile __u64 socket_identity_key; /* hides kernel addresses of Unix sockets */

static __always_inline void count_failure(__u32 place)
{
	__u64 *count = bpf_map_lookup_elem(&failure_counters, &place);
	if (count)
		*count += 1;
}

static __always_inline __u32 current_pid(void)
{
	return bpf_get_current_pid_tgid() >> 32;
}

/* enum mtlswatch_observed of a process, 0 if it is none of ours. */
static __always_inline __u32 observed(__u32 pid)
{
	__u32 *flags = bpf_map_lookup_elem(&observed_processes, &pid);
	return flags ? *flags : 0;
}

static __always_inline void observe(__u32 pid, __u32 flags)
{
	__u32 *present = bpf_map_lookup_elem(&observed_processes, &pid);
	if (pid == agent_pid)
		return;
	if (present)
		__sync_fetch_and_or(present, flags);
	else if (bpf_map_update_elem(&observed_processes, &pid, &flags, BPF_ANY))
		count_failure(MTLSWATCH_FAILURE_OBSERVE);
}
