/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Probes on OpenSSL, attached by library inode at the places that userspace/probe/library chooses: libssl's own calls,
 * on instructions that the kernel emulates. They fire at handshake rate, never per request but for on_read and its result.
 */
#include "kernel_types.h"

#include "hit.bpf.h"
#include "session.bpf.h"

#include <bpf/bpf_tracing.h>

/* Why this hook: begins and, with the next one, ends a handshake call; its argument names the session. */
SEC("uprobe")
int on_handshake(struct pt_regs *ctx)
{
	if (take_hit(ctx) && observed(current_pid()))
		enter_handshake(ctx->di, MTLSWATCH_DRIVER_HANDSHAKE);
	return 0;
}

SEC("uretprobe")
int on_handshake_return(struct pt_regs *ctx)
{
	if (take_return_hit(ctx))
		leave_handshake((int)ctx->ax, 0);
	return 0;
}

/* Why this hook: Apache authenticates and renegotiates on an established session inside SSL_peek, which nobody calls for a
 * request. */
SEC("uprobe")
int on_peek(struct pt_regs *ctx)
{
	if (take_hit(ctx) && observed(current_pid()))
		enter_handshake(ctx->di, MTLSWATCH_DRIVER_PEEK);
	return 0;
}

SEC("uretprobe")
int on_peek_return(struct pt_regs *ctx)
{
	if (take_return_hit(ctx))
		leave_handshake((int)ctx->ax, 0);
	return 0;
}

/* Why this hook: a server that never calls SSL_do_handshake drives its handshakes through SSL_read. On its own calls, so
 * that nobody else pays. */
SEC("uprobe")
int on_read(struct pt_regs *ctx)
{
	__u32 process = take_hit(ctx) ? observed(current_pid()) : 0;
	if (process)
		enter_read(ctx->di, ctx->si, process);
	return 0;
}

SEC("uprobe")
int on_read_result(struct pt_regs *ctx)
{
	if (take_return_hit(ctx))
		leave_handshake((int)ctx->ax, 1);
	return 0;
}

/* Why this hook: Python's asyncio hands what it received to a memory BIO: BIO_write(BIO *, const void *, int). */
SEC("uprobe")
int on_bio_write(struct pt_regs *ctx)
{
	if (take_hit(ctx))
		see_bytes_fed(ctx->si, (int)ctx->dx);
	return 0;
}

/* Why this hook: so does Node, to a BIO of its own: TLSWrap::OnStreamRead(this, ssize_t, const uv_buf_t &), where a
 * uv_buf_t begins with the address (libuv's interface). */
SEC("uprobe")
int on_stream_read(struct pt_regs *ctx)
{
	__u64 address = 0;
	if (take_hit(ctx) && !bpf_probe_read_user(&address, sizeof(address), (void *)ctx->dx))
		see_bytes_fed(address, (int)ctx->si);
	return 0;
}

/* Why this hook: every OpenSSL decodes the client's chain through d2i_X509, leaf first. */
SEC("uprobe")
int on_certificate(struct pt_regs *ctx)
{
	if (!take_hit(ctx))
		return 0;
	see_certificate(ctx->si, ctx->dx);
	expect_verification(bpf_get_attach_cookie(ctx));
	return 0;
}

/* Why this hook: ssl_verify_cert_chain asks X509_STORE_CTX_get_error(X509_STORE_CTX *), whose error_depth is still that of
 * the error. */
SEC("uprobe")
int on_verify_context(struct pt_regs *ctx)
{
	if (take_hit(ctx))
		see_verify_context(ctx->di);
	return 0;
}

/* Why this hook: X509_STORE_CTX_set_verify_cb is called for a program that has a callback, and only then. */
SEC("uprobe")
int on_callback_set(struct pt_regs *ctx)
{
	if (take_hit(ctx))
		see_verify_callback_set();
	return 0;
}

/* Why this hook: the program's verify callback is told of each error, while error_depth is that error's. */
SEC("uprobe")
int on_verify_callback(struct pt_regs *ctx)
{
	if (take_hit(ctx))
		see_verify_callback((int)ctx->di, ctx->si);
	return 0;
}

/* Why this hook: the value that ssl_verify_cert_chain stores as the session's verify result, still in rax. */
SEC("uprobe")
int on_verify_result(struct pt_regs *ctx)
{
	if (take_return_hit(ctx))
		see_verify_result((int)ctx->ax);
	return 0;
}

/* Why this hook: ERR_vset_error(library, reason, ...) from ossl_statem_fatal says why a handshake fails (OpenSSL 3). */
SEC("uprobe")
int on_error(struct pt_regs *ctx)
{
	if (take_hit(ctx))
		see_error((int)ctx->di, (int)ctx->si);
	return 0;
}

/* Why this hook: ERR_put_error(library, function, reason, ...), the same in OpenSSL 1.1.1. */
SEC("uprobe")
int on_error_legacy(struct pt_regs *ctx)
{
	if (take_hit(ctx))
		see_error((int)ctx->di, (int)ctx->dx);
	return 0;
}

/* Why this hook: tickets and external caches bring a session back as DER, through the library or its application. */
SEC("uprobe")
int on_session_offered(struct pt_regs *ctx)
{
	if (take_hit(ctx))
		see_session_offered(ctx->si, ctx->dx);
	return 0;
}

/* Why this hook: the in-process cache keeps the object itself; its address is all that ties a later handshake to it. */
SEC("uprobe")
int on_session_stored(struct pt_regs *ctx)
{
	if (take_hit(ctx))
		see_session_stored(ctx->si);
	return 0;
}

/* Why this hook: an application that stores sessions itself takes them from the SSL object with SSL_get1_session; this and
 * the next one tell which session was whose. */
SEC("uprobe")
int on_session_asked(struct pt_regs *ctx)
{
	if (take_hit(ctx))
		see_session_asked(ctx->di);
	return 0;
}

/* Why this hook: the reference that SSL_get1_session takes names the session that it returns. */
SEC("uprobe")
int on_session_taken(struct pt_regs *ctx)
{
	if (take_hit(ctx))
		see_session_taken(ctx->di);
	return 0;
}

/* Why this hook: lookup_sess_in_cache takes a reference to what it found. */
SEC("uprobe")
int on_session_found(struct pt_regs *ctx)
{
	if (take_hit(ctx))
		see_session_found(ctx->di);
	return 0;
}
