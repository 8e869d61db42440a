/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A TLS handshake as function arguments and results tell it; no offset of an OpenSSL structure. */
#pragma once

#include "ring.bpf.h"
#include "thread.bpf.h"

#define ERR_LIB_SSL 20

static __always_inline void enter_handshake(__u64 ssl)
{
	struct thread_state *thread = thread_of_current(1);
	if (!thread)
		return;
	thread->ssl = ssl;
	thread->handshake_started_ns = bpf_ktime_get_boot_ns();
	thread->handshake_cookie = 0;
	thread->verify_code = 0;
	thread->reason = 0;
	thread->receive_result = 0;
	thread->certificates = 0;
	thread->handshake_flags = 0;
}

static __always_inline struct thread_state *thread_in_handshake(void)
{
	struct thread_state *thread = thread_of_current(0);
	return thread && thread->ssl ? thread : 0;
}

static __always_inline __u64 bound_connection(const struct thread_state *thread)
{
	return thread->handshake_flags & MTLSWATCH_HANDSHAKE_CONFLICT ? 0 : thread->handshake_cookie;
}

static __always_inline void leave_handshake(int result)
{
	struct thread_state *thread = thread_in_handshake();
	struct mtlswatch_handshake *record;
	if (!thread)
		return;
	record = reserve_record(MTLSWATCH_KIND_HANDSHAKE, sizeof(*record));
	if (record) {
		record->cookie = bound_connection(thread);
		record->ssl = thread->ssl;
		record->started_ns = thread->handshake_started_ns;
		record->result = result;
		record->verify_code = thread->verify_code;
		record->reason = thread->reason;
		record->receive_result = thread->receive_result;
		record->certificates = thread->certificates;
		record->flags = thread->handshake_flags;
		submit_record(record);
	}
	thread->ssl = 0;
}

static __always_inline void emit_certificate_part(const struct thread_state *thread, __u32 index, __u64 der,
						  __u32 length, __u32 offset)
{
	const __u32 size = sizeof(struct mtlswatch_certificate);
	struct mtlswatch_certificate *record = bpf_ringbuf_reserve(&records, size, 0);
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	__u32 bytes = length - offset;
	count_record(MTLSWATCH_KIND_CERTIFICATE, !record);
	if (!record)
		return;
	stamp(&record->header, MTLSWATCH_KIND_CERTIFICATE, size, pid_tgid >> 32, (__u32)pid_tgid);
	record->cookie = bound_connection(thread);
	record->ssl = thread->ssl;
	record->index = index;
	record->length = length;
	record->offset = offset;
	if (bytes > MTLSWATCH_CERTIFICATE_DATA_BYTES)
		bytes = MTLSWATCH_CERTIFICATE_DATA_BYTES;
	if (length > MTLSWATCH_CERTIFICATE_BYTES)
		bytes = 0;
	zero_data(record->data, MTLSWATCH_CERTIFICATE_DATA_BYTES);
	if (bytes && bpf_probe_read_user(record->data, bytes, (void *)(der + offset))) {
		zero_data(record->data, MTLSWATCH_CERTIFICATE_DATA_BYTES);
		count_failure(MTLSWATCH_FAILURE_READ_CERTIFICATE);
		bytes = 0;
	}
	record->captured_bytes = bytes;
	submit_record(record);
}

/* Post-handshake authentication and renegotiation are driven by SSL_read and SSL_peek, which are not probed: that it
 * happens is told, without its contents. */
static __always_inline void tell_late_certificate(void)
{
	struct mtlswatch_certificate *record;
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	if (!observed(pid_tgid >> 32))
		return;
	record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);
	count_record(MTLSWATCH_KIND_CERTIFICATE, !record);
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
	struct thread_state *thread = thread_in_handshake();
	__u64 der = 0;
	__u32 index, told = length > 0xffffffff ? 0xffffffff : length;
	if (!thread)
		return tell_late_certificate();
	index = thread->certificates++;
	if (index >= MTLSWATCH_CHAIN_CERTIFICATES)
		return;
	if (bpf_probe_read_user(&der, sizeof(der), (void *)in))
		count_failure(MTLSWATCH_FAILURE_READ_CERTIFICATE);
	for (__u32 part = 0; part < MTLSWATCH_CERTIFICATE_BYTES / MTLSWATCH_CERTIFICATE_DATA_BYTES; part++) {
		__u32 offset = part * MTLSWATCH_CERTIFICATE_DATA_BYTES;
		if (offset && (offset >= told || told > MTLSWATCH_CERTIFICATE_BYTES))
			break;
		emit_certificate_part(thread, index, der, told, offset);
	}
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
