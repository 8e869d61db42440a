/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Probes on OpenSSL, attached by library inode at the places that userspace/probe/library chooses: libssl's own calls,
 * on instructions that the kernel emulates. They fire at handshake rate, never per request.
 */
#include "kernel_types.h"

#include "handshake.bpf.h"

#include <bpf/bpf_tracing.h>

/* Why this hook: begins and, with the next one, ends a handshake call; its argument names the session. */
SEC("uprobe")
int on_handshake(struct pt_regs *ctx)
{
	if (observed(current_pid()))
		enter_handshake(ctx->di);
	return 0;
}

SEC("uretprobe")
int on_handshake_return(struct pt_regs *ctx)
{
	leave_handshake((int)ctx->ax);
	return 0;
}

/* Why this hook: every OpenSSL decodes the client's chain through d2i_X509, leaf first. */
SEC("uprobe")
int on_certificate(struct pt_regs *ctx)
{
	see_certificate(ctx->si, ctx->dx);
	return 0;
}

/* Why this hook: the value that ssl_verify_cert_chain stores as the session's verify result, still in rax. */
SEC("uprobe")
int on_verify_result(struct pt_regs *ctx)
{
	see_verify_result((int)ctx->ax);
	return 0;
}

/* Why this hook: ERR_vset_error(library, reason, ...) from ossl_statem_fatal says why a handshake fails (OpenSSL 3). */
SEC("uprobe")
int on_error(struct pt_regs *ctx)
{
	see_error((int)ctx->di, (int)ctx->si);
	return 0;
}

/* Why this hook: ERR_put_error(library, function, reason, ...), the same in OpenSSL 1.1.1. */
SEC("uprobe")
int on_error_legacy(struct pt_regs *ctx)
{
	see_error((int)ctx->di, (int)ctx->dx);
	return 0;
}
