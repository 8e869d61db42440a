/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Probes on a proxy that queues requests, attached by the inode of its executable at the places that
 * userspace/probe/stream_points chooses, on instructions that the kernel emulates. The names of HAProxy 2.6 to 3.0
 * are given, and of nginx.
 */
#include "kernel_types.h"

#include "request.bpf.h"

#include <bpf/bpf_tracing.h>

/* Why this hook: session_accept_fd has made a session for an accepted connection; its address is in rax. Sessions that
 * the proxy makes for itself come from elsewhere. */
SEC("uprobe")
int on_client_session(struct pt_regs *ctx)
{
	if (observed(current_pid()))
		begin_session(ctx->ax);
	return 0;
}

/* Why this hook: session_free(session): the address may be used again. */
SEC("uprobe")
int on_client_gone(struct pt_regs *ctx)
{
	if (observed(current_pid()))
		end_session(ctx->di);
	return 0;
}

/* Why this hook: stream_new(session, ...): a request of this session begins. */
SEC("uprobe")
int on_stream(struct pt_regs *ctx)
{
	if (observed(current_pid()))
		begin_stream(ctx->di);
	return 0;
}

/* Why this hook: inside stream_new, sc_new_from_strm has made the stream's upstream side; its address is in rax. */
SEC("uprobe")
int on_stream_side(struct pt_regs *ctx)
{
	if (observed(current_pid()))
		begin_upstream_side(ctx->ax);
	return 0;
}

/* Why this hook: sc_new_from_check has made a health check's upstream side, where a stream's may have been before. */
SEC("uprobe")
int on_check_side(struct pt_regs *ctx)
{
	if (observed(current_pid()))
		forget_stream(ctx->ax);
	return 0;
}

/* Why this hook: sc_attach_mux(side, ..., connection): from now on this connection carries this stream. */
SEC("uprobe")
int on_stream_attach(struct pt_regs *ctx)
{
	if (observed(current_pid()))
		attach_stream(ctx->di, ctx->dx);
	return 0;
}

/* Why this hook: tcp_connect_server(connection, ...): the next socket that this thread connects is this connection's. */
SEC("uprobe")
int on_upstream(struct pt_regs *ctx)
{
	if (observed(current_pid()))
		connect_upstream(ctx->di);
	return 0;
}

/* Why these hooks: ngx_http_upstream_init(request), and ngx_http_upstream_create_round_robin_peer(request, ...) once a name
 * was looked up: the request is forwarded next. nginx, as are those below. */
SEC("uprobe")
int on_forwarding(struct pt_regs *ctx)
{
	if (observed(current_pid()))
		begin_forwarding(ctx->di);
	return 0;
}

/* Why this hook: ngx_event_connect_peer(peer) chooses the connection that a request goes to, a new or an open one. */
SEC("uprobe")
int on_peer(struct pt_regs *ctx)
{
	if (observed(current_pid()))
		forward_to_peer(ctx->di);
	return 0;
}
