/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a process has read from its TLS clients: counted for each that drives handshakes by SSL_read, copied out for those
 * that the agent asks of. */
#pragma once

#include "ring.bpf.h"
#include "thread.bpf.h"

#define CONTENT_SMALL_BYTES 512

/* One record before it is written. As in struct io_part, captured is not at a multiple of eight. */
struct content_part {
	__u64 cookie;
	__u64 position;
	__u64 user_data;
	__u32 length;
	__u32 captured;
};

_Static_assert(__builtin_offsetof(struct content_part, captured) % 8 == 4, "see struct io_part");

static __always_inline struct session_state *session_of(__u64 ssl)
{
	struct session_key key = { .ssl = ssl, .pid = current_pid() };
	return bpf_map_lookup_elem(&sessions, &key);
}

static __always_inline void keep_session(__u64 ssl, __u64 cookie, __u64 established)
{
	struct session_key key = { .ssl = ssl, .pid = current_pid() };
	struct session_state state = { .cookie = cookie, .established = established };
	if (bpf_map_update_elem(&sessions, &key, &state, BPF_ANY))
		count_failure(MTLSWATCH_FAILURE_SESSION);
}

static __always_inline _Bool was_read(__u64 ssl)
{
	struct session_state *session = session_of(ssl);
	return session && session->read_bytes;
}

static __always_inline void write_content(const struct content_part *part, const __u32 data_class)
{
	const __u32 size = sizeof(struct mtlswatch_content) + data_class;
	struct mtlswatch_content *content = reserve_bytes(MTLSWATCH_KIND_CONTENT, size);
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	__u32 captured = part->captured;
	if (!content)
		return;
	stamp(&content->header, MTLSWATCH_KIND_CONTENT, size, pid_tgid >> 32, (__u32)pid_tgid);
	content->cookie = part->cookie;
	content->position = part->position;
	content->length = part->length;
	content->captured_bytes = 0;
	zero_data(content->data, data_class);
	if (captured > data_class)
		captured = data_class;
	if (captured && !bpf_probe_read_user(content->data, captured, (void *)part->user_data)) {
		content->captured_bytes = captured;
	} else if (captured) {
		zero_data(content->data, data_class);
		count_failure(MTLSWATCH_FAILURE_READ_DATA);
	}
	submit_record(content);
}

static __noinline int emit_content(const struct content_part *part)
{
	if (!part)
		return 0;
	if (part->captured <= CONTENT_SMALL_BYTES)
		write_content(part, CONTENT_SMALL_BYTES);
	else
		write_content(part, MTLSWATCH_CONTENT_DATA_BYTES);
	return 0;
}

/* One record per 2,048 wanted bytes; the last one tells of the bytes that are not wanted too. */
static __always_inline void emit_contents(struct content_part *part, __u32 wanted)
{
	const __u32 most = MTLSWATCH_CONTENT_DATA_BYTES;
	__u32 left = part->length;
	for (int i = 0; i < MTLSWATCH_BACKEND_PREFIX_BYTES / MTLSWATCH_CONTENT_DATA_BYTES; i++) {
		part->captured = wanted < most ? wanted : most;
		wanted -= part->captured;
		part->length = wanted ? part->captured : left;
		emit_content(part);
		if (!wanted)
			return;
		left -= part->captured;
		part->position += part->captured;
		part->user_data += part->captured;
	}
}

/* A call of SSL_read has returned this much. The count goes on while nobody asks: a gap shows. */
static __always_inline void follow_read(const struct thread_state *thread, __u64 cookie, __u32 length)
{
	struct session_state *session = session_of(thread->ssl);
	struct content_part part = { .cookie = cookie, .length = length, .user_data = thread->read_buffer };
	__u32 wanted;
	if (!cookie)
		return;
	if (!session || session->cookie != cookie) {
		keep_session(thread->ssl, cookie, cookie);
		session = session_of(thread->ssl);
		if (!session)
			return;
	}
	session->established = cookie;
	part.position = session->read_bytes;
	session->read_bytes += length;
	if (!thread->read_buffer)
		return;
	if (thread->received_cookie == cookie && session->content_turn != thread->received_turn) {
		session->content_turn = thread->received_turn;
		session->content_left = MTLSWATCH_BACKEND_PREFIX_BYTES;
		session->content_ended = 0;
	}
	wanted = length < session->content_left ? length : session->content_left;
	session->content_left -= wanted;
	if (!wanted && session->content_ended)
		return;
	session->content_ended = wanted < length;
	emit_contents(&part, wanted);
}
