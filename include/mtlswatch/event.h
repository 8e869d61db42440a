/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The contract between the kernel programs and the agent: every record that crosses the ring buffer, and every
 * value that the agent writes into the programs' maps. Plain C that clang -target bpf and g++ both accept.
 * A record kind's number is never reused. Change a layout: raise MTLSWATCH_CONTRACT_VERSION in the same commit.
 */
#pragma once

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define MTLSWATCH_CONTRACT_VERSION 5

enum mtlswatch_kind {
	MTLSWATCH_KIND_CONNECTION = 1, /* struct mtlswatch_connection: a socket's facts, once, before its first io */
	MTLSWATCH_KIND_IO = 2, /* struct mtlswatch_io: a turn, a prefix of a message, an end of stream */
	MTLSWATCH_KIND_CLOSE = 3, /* struct mtlswatch_close: a TCP socket reached CLOSE */
	MTLSWATCH_KIND_HANDSHAKE = 4, /* struct mtlswatch_handshake: a call that drives a TLS handshake returned */
	MTLSWATCH_KIND_CERTIFICATE = 5, /* struct mtlswatch_certificate: part of one peer certificate's DER */
	MTLSWATCH_KIND_PROCESS = 6, /* struct mtlswatch_process: exec, fork, exit, listen */
	MTLSWATCH_KIND_LISTENER = 7, /* struct mtlswatch_connection of a listening socket, from the iterator only */
	MTLSWATCH_KIND_SESSION = 8, /* struct mtlswatch_session: an older session was offered, stored or found */
	MTLSWATCH_KIND_STREAM = 9, /* struct mtlswatch_stream: a proxy's own functions tie a request to its client */
	MTLSWATCH_KIND_CONTENT = 10, /* struct mtlswatch_content: what a process has read from a client, decrypted */
	MTLSWATCH_KIND_COUNT = 11,
};

/* Every record begins with this header. Times are CLOCK_BOOTTIME nanoseconds. */
struct mtlswatch_header {
	__u32 kind; /* enum mtlswatch_kind */
	__u32 size; /* bytes of the whole record */
	__u64 time_ns;
	__u64 records_lost; /* records of all kinds that found the ring full before this one was made */
	__u32 pid; /* thread group id of the task that acted, in the initial pid namespace */
	__u32 tid;
};

/* ---- sockets ------------------------------------------------------------------------------------------------ */

enum mtlswatch_role {
	MTLSWATCH_ROLE_UNKNOWN = 0, /* the socket is older than the observation of its process */
	MTLSWATCH_ROLE_INGRESS = 1, /* accepted */
	MTLSWATCH_ROLE_EGRESS = 2, /* connected */
	MTLSWATCH_ROLE_OTHER = 3, /* neither: socket pairs and the like */
};

enum mtlswatch_connection_flags {
	MTLSWATCH_CONNECTION_PREDATES = 1 << 0, /* existed before its process was observed */
};

#define MTLSWATCH_PATH_BYTES 108
#define MTLSWATCH_COMM_BYTES 16

struct mtlswatch_connection {
	struct mtlswatch_header header;
	__u64 cookie; /* the socket's identity for life: bpf_get_socket_cookie */
	__u64 socket; /* Unix sockets: an opaque identity of this end ... */
	__u64 peer_socket; /* ... and of the other end; equal values are the same end. 0 for TCP */
	__u64 cgroup_id; /* of the task that connected, or first used, the socket */
	__u32 netns; /* inode number of the network namespace */
	__u32 uid; /* of that task, in the initial user namespace */
	__u32 peer_pid; /* Unix sockets: who connected (accepted end) or listened (connected end); 0 for TCP */
	__u16 family; /* AF_INET, AF_INET6 or AF_UNIX */
	__u8 role; /* enum mtlswatch_role */
	__u8 flags; /* enum mtlswatch_connection_flags */
	__u16 local_port; /* host byte order */
	__u16 remote_port;
	__u32 reserved;
	__u8 local_address[16]; /* IPv4 in the first 4 bytes */
	__u8 remote_address[16];
	char comm[MTLSWATCH_COMM_BYTES];
	char path[MTLSWATCH_PATH_BYTES]; /* Unix: the listener's path; a leading NUL is an abstract name */
	__u32 path_bytes;
};

enum mtlswatch_io_flags {
	MTLSWATCH_IO_SEND = 1 << 0, /* else a receive */
	MTLSWATCH_IO_TURN = 1 << 1, /* first of its direction after the other direction, or first at all */
	MTLSWATCH_IO_END = 1 << 2, /* a receive returned 0 */
	MTLSWATCH_IO_BLOCKED = 1 << 3, /* after this send the socket had no space left */
	MTLSWATCH_IO_RESUMED = 1 << 4, /* the previous send on this socket had left it without space */
	MTLSWATCH_IO_BACKEND = 1 << 5, /* the process is a protected backend: data is a request or a response */
	MTLSWATCH_IO_RELATIVE = 1 << 6, /* Unix: position counts from the first observed byte, not from the stream's */
	MTLSWATCH_IO_CUT = 1 << 7, /* more bytes of this call were due but could not be read */
};

/* How much of a message's beginning is copied out, per turn. */
#define MTLSWATCH_BACKEND_PREFIX_BYTES 8192 /* a request head at a protected backend */
#define MTLSWATCH_FIRST_BYTES 4096 /* a connection's first bytes elsewhere: a ClientHello, a request line */
#define MTLSWATCH_HELLO_BYTES 2048 /* the first record a TLS server sends, its ServerHello; twice if it asks to retry */
#define MTLSWATCH_STATUS_BYTES 16 /* "HTTP/1.1 200 " and no more of a response */
#define MTLSWATCH_IO_DATA_BYTES 2048 /* most data one record carries */

struct mtlswatch_io {
	struct mtlswatch_header header;
	__u64 cookie;
	__u64 position; /* stream position of data[0]: TCP sequence number (32 bits), or Unix bytes before it */
	__u64 turn; /* ordinal of this connection's turns in this direction, from 1 */
	/* The connection this thread last received from, if another one; else 0. At the first send on a connection that this
	 * host connected: as it was when it connected. */
	__u64 witness_cookie;
	__u64 witness_position; /* where that connection's last received turn began */
	__u64 witness_turn; /* that turn's ordinal */
	__u32 length; /* bytes this call moved from position on */
	__u32 flags; /* enum mtlswatch_io_flags */
	__u32 captured_bytes; /* of them, how many data holds */
	__u32 received; /* sends of a backend: low half of the position behind the last byte it has received; 0: not told */
	__u8 data[]; /* captured_bytes, then zeros up to a size class: 0, 64, 512 or 2048 */
};

enum mtlswatch_ending {
	MTLSWATCH_ENDING_UNKNOWN = 0,
	MTLSWATCH_ENDING_PEER = 1, /* the peer's FIN came first */
	MTLSWATCH_ENDING_LOCAL = 2, /* this end was closed first */
	MTLSWATCH_ENDING_RESET = 3, /* a reset or another error came before either */
};

struct mtlswatch_close {
	struct mtlswatch_header header;
	__u64 cookie;
	__u32 ending; /* enum mtlswatch_ending */
	__u32 reserved;
};

/* ---- proxies that queue -------------------------------------------------------------------------------------- */

enum mtlswatch_stream_flags {
	MTLSWATCH_STREAM_FIRST = 1 << 0, /* of its session: its client is inferred from received_cookie itself */
	MTLSWATCH_STREAM_BY_SOCKET = 1 << 1, /* its client's socket was found in the request itself; there is no session */
};

/* What a proxy's own functions say: whatever is sent next on this upstream connection, if that begins a turn, is what
 * this client asked for. */
struct mtlswatch_stream {
	struct mtlswatch_header header;
	__u64 cookie; /* the connected socket that carries the stream from now on */
	__u64 ingress_cookie; /* the client's connection; 0: this one carries a stream that is nobody's, or not known */
	__u64 received_cookie; /* the connection this thread had last received from when the stream was made ... */
	__u64 received_position; /* ... and where that turn began */
	__u64 session_started_ns; /* when the proxy took the client's connection on: names the session */
	__u32 flags; /* enum mtlswatch_stream_flags */
	__u32 reserved;
};

#define MTLSWATCH_CONTENT_DATA_BYTES 2048 /* most data one record carries; MTLSWATCH_BACKEND_PREFIX_BYTES a turn */

/* Of a process with MTLSWATCH_OBSERVED_CONTENT: what SSL_read returned. Reads beyond a turn's budget are told once, with
 * nothing captured; later ones only move the position. */
struct mtlswatch_content {
	struct mtlswatch_header header;
	__u64 cookie; /* the client's connection */
	__u64 position; /* of data[0]: bytes that were read from this session before */
	__u32 length; /* bytes of this call from position on */
	__u32 captured_bytes; /* of them, how many data holds */
	__u8 data[]; /* captured_bytes, then zeros up to a size class: 512 or 2048 */
};

/* ---- TLS ---------------------------------------------------------------------------------------------------- */

enum mtlswatch_handshake_flags {
	MTLSWATCH_HANDSHAKE_VERIFIED = 1 << 0, /* verify_code was seen */
	MTLSWATCH_HANDSHAKE_REASON = 1 << 1, /* reason was seen */
	MTLSWATCH_HANDSHAKE_CONFLICT = 1 << 2, /* two accepted sockets were received from inside: bound to neither */
	MTLSWATCH_HANDSHAKE_RECEIVED = 1 << 3, /* receive_result was seen */
	MTLSWATCH_HANDSHAKE_DEPTH = 1 << 4, /* verify_depth was seen */
	MTLSWATCH_HANDSHAKE_INCOMPLETE = 1 << 5, /* a call's caller was not found out: certificates may be missing */
	MTLSWATCH_HANDSHAKE_CONTENT = 1 << 6, /* nothing was read from it before this call, and what is read from now on is told */
};

/* The call that drove it: SSL_accept leaves by way of SSL_do_handshake. */
enum mtlswatch_driver {
	MTLSWATCH_DRIVER_HANDSHAKE = 0, /* SSL_do_handshake */
	MTLSWATCH_DRIVER_READ = 1, /* SSL_read: result > 0 means that application data was read */
	MTLSWATCH_DRIVER_PEEK = 2, /* SSL_peek: how Apache authenticates and renegotiates on an established session */
};

struct mtlswatch_handshake {
	struct mtlswatch_header header;
	__u64 cookie; /* the connection whose bytes this call was fed with; 0: unbound */
	__u64 ssl; /* address of the SSL object: an identity within the process while it lives */
	__u64 started_ns; /* when this call began */
	__s32 result; /* SSL_do_handshake: 1 done, 0 or -1 not (yet); the other drivers: as they return */
	__s32 verify_code; /* X509_STORE_CTX_get_error */
	__s32 reason; /* first library-20 reason raised inside: ERR_vset_error */
	__s32 receive_result; /* last receive inside: bytes, 0 end of stream, or -errno */
	__u32 certificates; /* how many were decoded inside */
	__u32 flags; /* enum mtlswatch_handshake_flags */
	__u32 driver; /* enum mtlswatch_driver */
	__u32 verify_depth; /* of the certificate that verify_code is about, 0 being the leaf */
};

#define MTLSWATCH_CERTIFICATE_DATA_BYTES 2048
#define MTLSWATCH_CERTIFICATE_BYTES 16384 /* larger ones: only their length is told */
#define MTLSWATCH_CHAIN_CERTIFICATES 8 /* later ones of a chain are not copied */
#define MTLSWATCH_CERTIFICATE_OF_SESSION 0x80000000u /* or-ed to index: it was in a session that the client offered */

struct mtlswatch_certificate {
	struct mtlswatch_header header;
	__u64 cookie; /* as in struct mtlswatch_handshake */
	__u64 ssl;
	__u32 index; /* in the chain, 0 is the leaf */
	__u32 length; /* of the whole DER */
	__u32 offset; /* of data in it */
	__u32 captured_bytes; /* 0: could not be read, or too large */
	__u8 data[MTLSWATCH_CERTIFICATE_DATA_BYTES];
};

enum mtlswatch_session_change {
	MTLSWATCH_SESSION_OFFERED = 1, /* decoded from a ticket or an external cache: d2i_SSL_SESSION */
	MTLSWATCH_SESSION_STORED = 2, /* put into the in-process cache: SSL_CTX_add_session */
	MTLSWATCH_SESSION_FOUND = 3, /* taken from the in-process cache: SSL_SESSION_up_ref */
};

enum mtlswatch_session_flags {
	MTLSWATCH_SESSION_COMPLETE = 1 << 0, /* OFFERED: walked to its end, so what was not seen is not there */
	MTLSWATCH_SESSION_CERTIFICATE = 1 << 1, /* OFFERED: it holds a client certificate, whose parts follow */
	MTLSWATCH_SESSION_ANSWERED = 1 << 2, /* STORED: after the server's first flight, so it is this handshake's own */
};

#define MTLSWATCH_SERVER_NAME_BYTES 256

/* Of an encoded session only these fields are read. Its master secret never leaves the process. */
struct mtlswatch_session {
	struct mtlswatch_header header;
	__u64 cookie; /* as in struct mtlswatch_handshake */
	__u64 ssl;
	__u64 session; /* STORED, FOUND: address of the SSL_SESSION */
	__u32 change; /* enum mtlswatch_session_change */
	__u32 flags; /* enum mtlswatch_session_flags */
	__s32 verify_code; /* OFFERED: X509_V_*; an absent field means 0 (ssl_asn1.c) */
	__u32 server_name_bytes; /* OFFERED: SNI of the original handshake; 0: none */
	char server_name[MTLSWATCH_SERVER_NAME_BYTES];
};

/* ---- processes ---------------------------------------------------------------------------------------------- */

enum mtlswatch_process_change {
	MTLSWATCH_PROCESS_EXEC = 1,
	MTLSWATCH_PROCESS_FORK = 2, /* header.pid is the new process */
	MTLSWATCH_PROCESS_EXIT = 3, /* the thread group's leader ended */
	MTLSWATCH_PROCESS_LISTEN = 4, /* a TCP socket began to listen */
};

struct mtlswatch_process {
	struct mtlswatch_header header;
	__u32 change; /* enum mtlswatch_process_change */
	__u32 parent_pid;
	__u32 observed; /* enum mtlswatch_observed of header.pid after the change */
	__u16 port; /* LISTEN: local port, host byte order */
	__u16 reserved;
};

/* Value of the map observed_processes; key: __u32 pid. */
enum mtlswatch_observed {
	MTLSWATCH_OBSERVED_BACKEND = 1 << 0, /* a protected backend: request heads and status lines are read */
	MTLSWATCH_OBSERVED_SERVER = 1 << 1, /* may end TLS, or stands before a backend */
	MTLSWATCH_OBSERVED_PEER = 1 << 2, /* has connected to a protected port; set by the kernel side */
	MTLSWATCH_OBSERVED_LISTENER = 1 << 3, /* has begun to listen, not yet judged; set by the kernel side */
	MTLSWATCH_OBSERVED_SCANNED = 1 << 4, /* its older sockets have been marked: an unmarked one is accepted */
	MTLSWATCH_OBSERVED_CONTENT = 1 << 5, /* what it reads from its TLS clients is told */
};

/* Value of the per-CPU map record_counters; key: enum mtlswatch_kind. */
struct mtlswatch_record_counter {
	__u64 submitted;
	__u64 dropped; /* the ring was full */
};

/* Value of the per-CPU map probe_hits; key: slot * MTLSWATCH_PROBE_PURPOSES + purpose, as the agent numbers them. */
struct mtlswatch_probe_hits {
	__u64 count;
	__u64 last_ns;
};

#define MTLSWATCH_PROBE_SLOTS 128 /* one for each probed library file */
#define MTLSWATCH_PROBE_PURPOSES 32
/* A uprobe's cookie is such a key, and this where the function is probed in the library that defines it: only calls that
 * come from a file whose inode is in the map calling_files count. */
#define MTLSWATCH_PROBE_ASKS_CALLER (1 << 16)
/* The cookie's upper half says where an X509_STORE_CTX keeps error_depth (bits 32 to 47) and error (48 to 63), as the
 * library's own accessors read them; 0: not known. */
#define MTLSWATCH_PROBE_DEPTH_SHIFT 32
#define MTLSWATCH_PROBE_ERROR_SHIFT 48

/* Keys of the per-CPU map failure_counters: helpers that failed, by place. */
enum mtlswatch_failure {
	MTLSWATCH_FAILURE_CONNECTION_STATE = 0, /* bpf_sk_storage_get */
	MTLSWATCH_FAILURE_THREAD_STATE = 1, /* bpf_task_storage_get */
	MTLSWATCH_FAILURE_READ_DATA = 2, /* bpf_probe_read_user of a message */
	MTLSWATCH_FAILURE_READ_CERTIFICATE = 3, /* bpf_probe_read_user of a certificate */
	MTLSWATCH_FAILURE_OBSERVE = 4, /* observed_processes is full */
	MTLSWATCH_FAILURE_SESSION = 5, /* sessions could not be written */
	MTLSWATCH_FAILURE_KEEP_STREAM = 6, /* a map of a proxy's streams took no entry */
	MTLSWATCH_FAILURE_FIND_CALLER = 7, /* bpf_find_vma of a function's caller */
	MTLSWATCH_FAILURE_COUNT = 8,
};

#ifdef __cplusplus
#define MTLSWATCH_ASSERT(condition) static_assert(condition, #condition)
#else
#define MTLSWATCH_ASSERT(condition) _Static_assert(condition, #condition)
#endif
MTLSWATCH_ASSERT(sizeof(struct mtlswatch_header) == 32);
MTLSWATCH_ASSERT(sizeof(struct mtlswatch_connection) == 248);
MTLSWATCH_ASSERT(sizeof(struct mtlswatch_io) == 96);
MTLSWATCH_ASSERT(sizeof(struct mtlswatch_close) == 48);
MTLSWATCH_ASSERT(sizeof(struct mtlswatch_stream) == 80);
MTLSWATCH_ASSERT(sizeof(struct mtlswatch_content) == 56);
MTLSWATCH_ASSERT(sizeof(struct mtlswatch_handshake) == 88);
MTLSWATCH_ASSERT(sizeof(struct mtlswatch_certificate) == 64 + MTLSWATCH_CERTIFICATE_DATA_BYTES);
MTLSWATCH_ASSERT(sizeof(struct mtlswatch_session) == 72 + MTLSWATCH_SERVER_NAME_BYTES);
MTLSWATCH_ASSERT(sizeof(struct mtlswatch_process) == 48);
