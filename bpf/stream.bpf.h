/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whose request a proxy that queues sends upstream, told by its own functions' arguments and results: session -> stream ->
 * upstream connection -> socket. Each arrow is one call or the nesting of two. Only the first link, connection -> session,
 * is an inference: a session's first stream is made in the very callback that received its request.
 */
#pragma once

#include "proxy_maps.bpf.h"
#include "ring.bpf.h"
#include "thread.bpf.h"

static __always_inline struct proxy_object proxy_object_at(__u64 address)
{
	return (struct proxy_object){ .address = address, .pid = current_pid() };
}

static __always_inline void begin_session(__u64 session)
{
	struct proxy_object key = proxy_object_at(session);
	struct proxy_session value = { .started_ns = bpf_ktime_get_boot_ns() };
	if (session && bpf_map_update_elem(&proxy_sessions, &key, &value, BPF_ANY)) {
		bpf_map_delete_elem(&proxy_sessions, &key);
		count_failure(MTLSWATCH_FAILURE_KEEP_STREAM);
	}
}

static __always_inline void end_session(__u64 session)
{
	struct proxy_object key = proxy_object_at(session);
	bpf_map_delete_elem(&proxy_sessions, &key);
}

/* Of a session that was not seen to begin, nothing is inferred: its first stream may have been another one. */
static __always_inline void begin_stream(__u64 address)
{
	struct proxy_object key = proxy_object_at(address);
	struct proxy_session *session = bpf_map_lookup_elem(&proxy_sessions, &key);
	struct thread_state *thread = thread_of_current(1);
	if (!thread)
		return;
	thread->stream_session = session ? address : 0;
	thread->stream_flags = 0;
	if (session && !session->has_streams) {
		session->has_streams = 1;
		thread->stream_flags = MTLSWATCH_STREAM_FIRST;
		session->ingress_cookie = thread->received_since_stream ? thread->received_cookie : 0;
	}
	thread->received_since_stream = 0;
}

static __always_inline void forget_stream(__u64 side)
{
	struct proxy_object key = proxy_object_at(side);
	bpf_map_delete_elem(&proxy_streams, &key);
}

/* Inside the making of a stream its upstream side was made. */
static __always_inline void begin_upstream_side(__u64 side)
{
	struct proxy_object key = proxy_object_at(side), of_session;
	struct thread_state *thread = thread_of_current(0);
	struct proxy_session *session = 0;
	struct stream_origin origin = {};
	if (thread && thread->stream_session) {
		of_session = proxy_object_at(thread->stream_session);
		session = bpf_map_lookup_elem(&proxy_sessions, &of_session);
		thread->stream_session = 0;
	}
	if (!session || !session->ingress_cookie)
		return forget_stream(side);
	origin.ingress_cookie = session->ingress_cookie;
	origin.received_cookie = thread->received_cookie;
	origin.received_position = thread->received_position;
	origin.session_started_ns = session->started_ns;
	origin.flags = thread->stream_flags;
	if (bpf_map_update_elem(&proxy_streams, &key, &origin, BPF_ANY)) {
		forget_stream(side);
		count_failure(MTLSWATCH_FAILURE_KEEP_STREAM);
	}
}

static __always_inline void tell_stream(__u64 cookie, const struct stream_origin *origin)
{
	struct mtlswatch_stream *record = reserve_record(MTLSWATCH_KIND_STREAM, sizeof(*record));
	if (!record)
		return;
	record->cookie = cookie;
	record->ingress_cookie = origin->ingress_cookie;
	record->received_cookie = origin->received_cookie;
	record->received_position = origin->received_position;
	record->session_started_ns = origin->session_started_ns;
	record->flags = origin->flags;
	submit_record(record);
}

static __always_inline void tell_forwarded(struct thread_state *thread, __u64 cookie)
{
	tell_stream(cookie, &thread->attached);
	thread->forwarding = 0;
}

/* A stream's upstream side, or a health check's, is given a connection: one that is open, or one that connects next. */
static __always_inline void attach_stream(__u64 side, __u64 connection)
{
	struct proxy_object of_stream = proxy_object_at(side), of_connection = proxy_object_at(connection);
	struct stream_origin *origin = bpf_map_lookup_elem(&proxy_streams, &of_stream);
	__u64 *cookie = bpf_map_lookup_elem(&proxy_connections, &of_connection);
	struct thread_state *thread = thread_of_current(1);
	if (!thread)
		return;
	thread->received_since_stream = 0;
	thread->attached_connection = connection;
	if (origin)
		thread->attached = *origin;
	else
		__builtin_memset(&thread->attached, 0, sizeof(thread->attached));
	if (cookie)
		tell_stream(*cookie, &thread->attached);
}

static __always_inline void connect_upstream(__u64 connection)
{
	struct thread_state *thread = thread_of_current(1);
	if (thread)
		thread->connecting = connection;
}

/* A socket connects: in a proxy that is watched this closely, it is the one that the connection was made for. */
static __always_inline void name_connecting(__u64 cookie)
{
	struct thread_state *thread = thread_of_current(0);
	struct proxy_object key;
	if (!thread)
		return;
	if (thread->forwarding)
		tell_forwarded(thread, cookie);
	if (!thread->connecting)
		return;
	key = proxy_object_at(thread->connecting);
	if (bpf_map_update_elem(&proxy_connections, &key, &cookie, BPF_ANY)) {
		bpf_map_delete_elem(&proxy_connections, &key);
		count_failure(MTLSWATCH_FAILURE_KEEP_STREAM);
	}
	if (thread->attached_connection == thread->connecting && thread->attached.ingress_cookie)
		tell_stream(cookie, &thread->attached);
	thread->attached_connection = 0;
	thread->connecting = 0;
}
