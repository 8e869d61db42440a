/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sessions that are older than their connection. An encoded one (ssl_asn1.c, SSL_SESSION_ASN1) holds the master secret:
 * its fields are walked by tag and length, and only [3] peer certificate, [5] verify result and [6] server name are read.
 */
#pragma once

#include "handshake.bpf.h"

#define DER_INTEGER 0x02
#define DER_OCTET_STRING 0x04
#define DER_SEQUENCE 0x30
#define SESSION_PEER 0xa3
#define SESSION_VERIFY_RESULT 0xa5
#define SESSION_SERVER_NAME 0xa6
#define SESSION_FIELDS 24 /* more than the format has */

struct der_field {
	__u8 tag;
	__u64 content; /* address */
	__u32 length;
};

#define DER_FOUND (1ULL << 32)

/* Reads tag and length at an address, byte by byte so that nothing of the content is touched: DER_FOUND, tag, bytes before
 * the content, length, in 8, 8 and 16 bits. 0: not DER of at most 64 KiB that ends before end. A function by itself, which
 * the verifier looks at once: inlined into the walk below it took half a million steps, and most of the agent's start. */
__weak __noinline __u64 read_der_head(__u64 at, __u64 end)
{
	__u8 head[2] = {}, more[2] = {};
	__u32 extra = 0, length;
	if (at + sizeof(head) > end || bpf_probe_read_user(head, sizeof(head), (void *)at))
		return 0;
	length = head[1];
	if (length >= 0x80) {
		extra = length & 0x7f;
		if (extra == 1) {
			if (bpf_probe_read_user(more + 1, 1, (void *)(at + sizeof(head))))
				return 0;
		} else if (extra != 2 || bpf_probe_read_user(more, 2, (void *)(at + sizeof(head)))) {
			return 0;
		}
		length = more[0] << 8 | more[1];
	}
	if (at + sizeof(head) + extra + length > end)
		return 0;
	return DER_FOUND | (__u64)head[0] << 24 | (sizeof(head) + extra) << 16 | length;
}

static __always_inline _Bool read_der(__u64 at, __u64 end, struct der_field *field)
{
	__u64 found = read_der_head(at, end);
	field->tag = found >> 24 & 0xff;
	field->content = at + (found >> 16 & 0xff);
	field->length = found & 0xffff;
	return found != 0;
}

static __always_inline int read_der_integer(const struct der_field *outer)
{
	struct der_field inner = {};
	__u8 bytes[4] = {};
	__u32 length;
	int value = 0;
	if (!read_der(outer->content, outer->content + outer->length, &inner) || inner.tag != DER_INTEGER)
		return -1;
	length = inner.length;
	if (length < 1 || length > sizeof(bytes))
		return -1;
	barrier_var(length); /* or clang leaves out the mask, which tells the verifier */
	if (bpf_probe_read_user(bytes, length & 7, (void *)inner.content))
		return -1;
	for (__u32 i = 0; i < sizeof(bytes); i++)
		if (i < length)
			value = value << 8 | bytes[i];
	return value;
}

static __always_inline _Bool read_server_name(struct mtlswatch_session *record, const struct der_field *outer)
{
	struct der_field inner = {};
	__u32 length;
	if (!read_der(outer->content, outer->content + outer->length, &inner) || inner.tag != DER_OCTET_STRING)
		return 0;
	length = inner.length;
	barrier_var(length);
	if (length >= MTLSWATCH_SERVER_NAME_BYTES || bpf_probe_read_user(record->server_name, length, (void *)inner.content))
		return 0;
	record->server_name_bytes = length;
	return 1;
}

static __always_inline void walk_session(struct thread_state *thread, struct mtlswatch_session *record, __u64 at, __u64 end)
{
	struct der_field field = {}, peer = {}, verify_result = {}, server_name = {};
	_Bool complete;
	if (!read_der(at, end, &field) || field.tag != DER_SEQUENCE)
		return;
	at = field.content;
	end = field.content + field.length;
	for (int i = 0; i < SESSION_FIELDS && at < end; i++) {
		if (!read_der(at, end, &field))
			break;
		if (field.tag == SESSION_PEER)
			peer = field;
		else if (field.tag == SESSION_VERIFY_RESULT)
			verify_result = field;
		else if (field.tag == SESSION_SERVER_NAME)
			server_name = field;
		at = field.content + field.length;
	}
	complete = at == end;
	if (verify_result.tag) {
		record->verify_code = read_der_integer(&verify_result);
		complete &= record->verify_code >= 0;
	}
	if (server_name.tag)
		complete &= read_server_name(record, &server_name);
	if (complete)
		record->flags |= MTLSWATCH_SESSION_COMPLETE;
	if (!peer.tag)
		return;
	record->flags |= MTLSWATCH_SESSION_CERTIFICATE;
	emit_certificate(thread, MTLSWATCH_CERTIFICATE_OF_SESSION, peer.content, peer.length);
}

/* thread: null outside of a handshake call. */
static __always_inline struct mtlswatch_session *begin_session(const struct thread_state *thread, __u32 change)
{
	struct mtlswatch_session *record = reserve_record(MTLSWATCH_KIND_SESSION, sizeof(*record));
	if (!record)
		return 0;
	record->change = change;
	if (!thread)
		return record;
	record->cookie = bound_connection(thread);
	record->ssl = thread->ssl;
	if (thread->handshake_answered)
		record->flags = MTLSWATCH_SESSION_ANSWERED;
	return record;
}

/* d2i_SSL_SESSION(SSL_SESSION **, const unsigned char **in, long length). A session that is decoded after the server has
 * answered is one that libssl has just encoded to make a ticket. */
static __always_inline void see_session_offered(__u64 in, __u64 length)
{
	struct thread_state *thread = thread_in_handshake();
	struct mtlswatch_session *record;
	__u64 der = 0;
	if (!thread || thread->handshake_answered)
		return;
	record = begin_session(thread, MTLSWATCH_SESSION_OFFERED);
	if (!record)
		return;
	if (!bpf_probe_read_user(&der, sizeof(der), (void *)in))
		walk_session(thread, record, der, der + (length > 0xffff ? 0xffff : length));
	submit_record(record);
}

static __always_inline void see_session_asked(__u64 ssl)
{
	struct thread_state *thread = thread_of_current(0);
	if (thread)
		thread->asked_ssl = ssl;
}

static __always_inline void see_session_taken(__u64 session)
{
	struct thread_state *thread = thread_of_current(0);
	if (!thread)
		return;
	thread->taken_session = thread->asked_ssl && thread->asked_ssl == thread->done_ssl ? session : 0;
	thread->asked_ssl = 0;
}

/* Told outside of handshakes too: a new session may lie where an older one was. There, it is the last handshake's own if
 * it was taken from that handshake's SSL object. */
static __always_inline void see_session_stored(__u64 session)
{
	struct mtlswatch_session *record;
	struct thread_state *thread = thread_of_current(0);
	_Bool inside = thread && thread->ssl;
	if (!observed(current_pid()))
		return;
	record = begin_session(inside ? thread : 0, MTLSWATCH_SESSION_STORED);
	if (!record)
		return;
	record->session = session;
	if (thread && !inside && thread->taken_session == session) {
		record->cookie = thread->done_cookie;
		record->ssl = thread->done_ssl;
		record->flags = MTLSWATCH_SESSION_ANSWERED;
	}
	submit_record(record);
}

static __always_inline void see_session_found(__u64 session)
{
	struct thread_state *thread = thread_in_handshake();
	struct mtlswatch_session *record;
	if (!thread || thread->handshake_answered)
		return;
	record = begin_session(thread, MTLSWATCH_SESSION_FOUND);
	if (!record)
		return;
	record->session = session;
	submit_record(record);
}
