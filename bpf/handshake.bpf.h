/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A TLS handshake as function arguments and results tell it; no offset of an OpenSSL structure. */
#pragma once

#include "content.bpf.h"

#define ERR_LIB_SSL 20

/* An SSL object that reads from memory belongs to the connection whose first bytes were just handed to that memory. */
static __always_inline void take_feed(struct thread_state *thread)
{
	if (!thread->fed_cookie)
		return;
	keep_session(thread->ssl, thread->fed_cookie, 0);
	thread->fed_cookie = 0;
}

static __always_inline void enter_handshake(__u64 ssl, __u32 driver)
{
	struct thread_state *thread = thread_of_current(1);
	if (!thread)
		return;
	thread->ssl = ssl;
	thread->driver = driver;
	thread->handshake_started_ns = bpf_ktime_get_boot_ns();
	thread->handshake_cookie = 0;
	thread->verify_code = 0;
	thread->reason = 0;
	thread->receive_result = 0;
	thread->certificates = 0;
	thread->handshake_flags = 0;
	thread->told_error = 0;
	thread->read_buffer = 0;
	thread->handshake_answered = thread->received_answered;
	thread->taken_session = 0;
	take_feed(thread);
	thread->certificate_der = 0;
}

/* SSL_read(SSL *, void *buffer, int) */
static __always_inline void enter_read(__u64 ssl, __u64 buffer, __u32 process)
{
	struct thread_state *thread;
	enter_handshake(ssl, MTLSWATCH_DRIVER_READ);
	thread = thread_of_current(0);
	if (thread && process & MTLSWATCH_OBSERVED_CONTENT)
		thread->read_buffer = buffer;
}

static __always_inline struct thread_state *thread_in_handshake(void)
{
	struct thread_state *thread = thread_of_current(0);
	return thread && thread->ssl ? thread : 0;
}

static __always_inline __u64 bound_connection(const struct thread_state *thread)
{
	struct session_state *session;
	if (thread->handshake_flags & MTLSWATCH_HANDSHAKE_CONFLICT)
		return 0;
	if (thread->handshake_cookie)
		return thread->handshake_cookie;
	session = session_of(thread->ssl);
	return session ? session->cookie : 0;
}

/* SSL_read and SSL_peek drive a handshake as they go, and do so no more once data flows: whether this call had to do with
 * one. */
static __always_inline _Bool tells_of_handshake(const struct thread_state *thread, __u64 cookie)
{
	struct session_state *session;
	if (thread->driver == MTLSWATCH_DRIVER_HANDSHAKE || thread->certificates ||
	    thread->handshake_flags & (MTLSWATCH_HANDSHAKE_VERIFIED | MTLSWATCH_HANDSHAKE_REASON | MTLSWATCH_HANDSHAKE_INCOMPLETE))
		return 1;
	if (thread->driver == MTLSWATCH_DRIVER_PEEK)
		return thread->receive_result > 0;
	session = session_of(thread->ssl);
	return cookie && !(session && session->established == cookie);
}

static __always_inline void emit_handshake(const struct thread_state *thread, __u64 cookie, int result)
{
	struct mtlswatch_handshake *record = reserve_record(MTLSWATCH_KIND_HANDSHAKE, sizeof(*record));
	if (!record)
		return;
	record->cookie = cookie;
	record->ssl = thread->ssl;
	record->started_ns = thread->handshake_started_ns;
	record->result = result;
	record->verify_code = thread->verify_code;
	record->reason = thread->reason;
	record->receive_result = thread->receive_result;
	record->certificates = thread->certificates;
	record->flags = thread->handshake_flags;
	record->driver = thread->driver;
	if (thread->read_buffer && !was_read(thread->ssl))
		record->flags |= MTLSWATCH_HANDSHAKE_CONTENT;
	if (thread->handshake_flags & MTLSWATCH_HANDSHAKE_VERIFIED && thread->told_error && thread->told_error == thread->verify_code) {
		record->verify_depth = thread->told_depth;
		record->flags |= MTLSWATCH_HANDSHAKE_DEPTH;
	}
	submit_record(record);
}

/* reads: the call may have been SSL_read. */
static __always_inline void leave_handshake(int result, const _Bool reads)
{
	struct thread_state *thread = thread_in_handshake();
	__u64 cookie;
	if (!thread)
		return;
	cookie = bound_connection(thread);
	if (tells_of_handshake(thread, cookie))
		emit_handshake(thread, cookie, result);
	if (reads && thread->driver == MTLSWATCH_DRIVER_READ && result > 0)
		follow_read(thread, cookie, result);
	thread->done_ssl = result > 0 ? thread->ssl : 0;
	thread->done_cookie = cookie;
	thread->ssl = 0;
}

static __always_inline void emit_certificate_part(const struct thread_state *thread, __u32 index, __u64 der,
						  __u32 length, __u32 offset)
{
	const __u32 size = sizeof(struct mtlswatch_certificate);
	struct mtlswatch_certificate *record = reserve_bytes(MTLSWATCH_KIND_CERTIFICATE, size);
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	__u32 bytes = length - offset;
	if (!record)
		return;
	stamp(&record->header, MTLSWATCH_KIND_CERTIFICATE, size, pid_tgid >> 32, (__u32)pid_tgid);
	record->cookie = bound_connection(thread);
	record->ssl = thread->ssl;
	record->index = index;
	record->length = length;
	record->offset = offset;
	if (length > MTLSWATCH_CERTIFICATE_BYTES)
		bytes = 0;
	zero_data(record->data, MTLSWATCH_CERTIFICATE_DATA_BYTES);
	barrier_var(bytes); /* verifiers of 2022 forget a bound while it lies on the stack: compare just before the read */
	if (bytes > MTLSWATCH_CERTIFICATE_DATA_BYTES)
		bytes = MTLSWATCH_CERTIFICATE_DATA_BYTES;
	if (bytes && bpf_probe_read_user(record->data, bytes, (void *)(der + offset))) {
		zero_data(record->data, MTLSWATCH_CERTIFICATE_DATA_BYTES);
		count_failure(MTLSWATCH_FAILURE_READ_CERTIFICATE);
		bytes = 0;
	}
	record->captured_bytes = bytes;
	submit_record(record);
}

static __always_inline void emit_certificate(const struct thread_state *thread, __u32 index, __u64 der, __u32 told)
{
	for (__u32 part = 0; part < MTLSWATCH_CERTIFICATE_BYTES / MTLSWATCH_CERTIFICATE_DATA_BYTES; part++) {
		__u32 offset = part * MTLSWATCH_CERTIFICATE_DATA_BYTES;
		if (offset && (offset >= told || told > MTLSWATCH_CERTIFICATE_BYTES))
			break;
		emit_certificate_part(thread, index, der, told, offset);
	}
}

/* Post-handshake authentication and renegotiation may be driven by calls that are not probed: that it happens is told,
 * without its contents. */
static __always_inline void tell_late_certificate(void)
{
	struct mtlswatch_certificate *record;
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	if (!observed(pid_tgid >> 32))
		return;
	record = reserve_bytes(MTLSWATCH_KIND_CERTIFICATE, sizeof(*record));
	if (!record)
		return;
	zero_data((__u8 *)record, MTLSWATCH_CERTIFICATE_DATA_BYTES);
	zero_data(record->data, MTLSWATCH_CERTIFICATE_DATA_BYTES);
	stamp(&record->header, MTLSWATCH_KIND_CERTIFICATE, sizeof(*record), pid_tgid >> 32, (__u32)pid_tgid);
	submit_record(record);
}

/* A certificate of the peer's chain is about to be decoded: d2i_X509(X509 **, const unsigned char **in, long length). */
static __always_inline void see_certificate(__u64 in, __u64 length)
{
	struct thread_state *thread = thread_of_current(0);
	__u64 der = 0;
	__u32 index;
	if (!thread || !thread->ssl) {
		/* Where nothing was received before, it is of a handshake that began before its process was observed. */
		if (thread && thread->received_cookie)
			tell_late_certificate();
		return;
	}
	if (bpf_probe_read_user(&der, sizeof(der), (void *)in))
		count_failure(MTLSWATCH_FAILURE_READ_CERTIFICATE);
	if (der && der == thread->certificate_der)
		return; /* two probes see this call: one file under two names, or a function and a call of it */
	thread->certificate_der = der;
	index = thread->certificates++;
	if (index >= MTLSWATCH_CHAIN_CERTIFICATES)
		return;
	emit_certificate(thread, index, der, length > 0xffffffff ? 0xffffffff : length);
}

/* Before the chain that this certificate belongs to is verified, and after the server has verified its own. */
static __always_inline void expect_verification(__u64 cookie)
{
	struct thread_state *thread = thread_in_handshake();
	if (!thread)
		return;
	thread->depth_offset = cookie >> MTLSWATCH_PROBE_DEPTH_SHIFT;
	thread->error_offset = cookie >> MTLSWATCH_PROBE_ERROR_SHIFT;
	thread->has_verify_callback = 0;
	thread->told_error = 0;
}

static __always_inline void read_verify_error(struct thread_state *thread, __u64 context)
{
	__u32 depth = 0;
	__s32 error = 0;
	if (!thread->depth_offset || !thread->error_offset ||
	    bpf_probe_read_user(&depth, sizeof(depth), (void *)(context + thread->depth_offset)) ||
	    bpf_probe_read_user(&error, sizeof(error), (void *)(context + thread->error_offset)))
		return;
	thread->told_error = error;
	thread->told_depth = depth;
}

/* Verification ends at its first error where no callback decides otherwise: the context is as that error left it. */
static __always_inline void see_verify_context(__u64 context)
{
	struct thread_state *thread = thread_in_handshake();
	if (thread && !thread->has_verify_callback)
		read_verify_error(thread, context);
}

static __always_inline void see_verify_callback_set(void)
{
	struct thread_state *thread = thread_in_handshake();
	if (thread)
		thread->has_verify_callback = 1;
}

/* A program's int (*)(int preverify_ok, X509_STORE_CTX *): the last error that it is told of stays the result. */
static __always_inline void see_verify_callback(int preverify_ok, __u64 context)
{
	struct thread_state *thread = thread_in_handshake();
	if (thread && preverify_ok == 0)
		read_verify_error(thread, context);
}

static __always_inline void see_verify_result(int code)
{
	struct thread_state *thread = thread_in_handshake();
	if (!thread)
		return;
	thread->verify_code = code;
	thread->handshake_flags |= MTLSWATCH_HANDSHAKE_VERIFIED;
}

/* The first reason that libssl itself raises is the one that failed the handshake; later ones follow from it. */
static __always_inline void see_error(int library, int reason)
{
	struct thread_state *thread = thread_in_handshake();
	if (!thread || library != ERR_LIB_SSL || thread->handshake_flags & MTLSWATCH_HANDSHAKE_REASON)
		return;
	thread->reason = reason;
	thread->handshake_flags |= MTLSWATCH_HANDSHAKE_REASON;
}
