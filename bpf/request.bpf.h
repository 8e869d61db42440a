/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whose request nginx sends upstream, told by the request itself: request -> client connection -> its descriptor. These are
 * the only offsets of another program's structures in use. They have been the same in every nginx since 0.7, each read is
 * checked by the signature that a request begins with, and what they say by the sockets.
 */
#pragma once

#include "connection_state.bpf.h"
#include "descriptor.bpf.h"
#include "stream.bpf.h"

#define NGINX_REQUEST_SIGNATURE 0x50545448 /* NGX_HTTP_MODULE: "HTTP" */
#define NGINX_CONNECTION_DESCRIPTOR 24 /* ngx_connection_t.fd, behind data, read and write */
#define NGINX_REQUEST_UPSTREAM 64 /* ngx_http_request_t.upstream; behind .cache where nginx is built with one */
#define NGINX_UPSTREAM_PEER 16 /* ngx_http_upstream_t.peer, behind two handlers */

/* The beginning of ngx_http_request_t. */
struct nginx_request {
	__u64 signature; /* 32 bits of it */
	__u64 connection;
};

static __always_inline __u64 cookie_of_socket(struct sock *sk)
{
	struct connection_state *state;
	__u64 address = (__u64)sk;
	if (!states_by_address)
		return BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
	state = bpf_map_lookup_elem(&connections_by_address, &address);
	return state ? state->cookie : 0;
}

/* 0: this is no request (any more), or its client has no socket. */
static __always_inline __u64 client_of_request(__u64 address)
{
	struct nginx_request request = {};
	struct sock *sk;
	int descriptor = -1;
	if (bpf_probe_read_user(&request, sizeof(request), (void *)address) ||
	    (__u32)request.signature != NGINX_REQUEST_SIGNATURE ||
	    bpf_probe_read_user(&descriptor, sizeof(descriptor), (void *)(request.connection + NGINX_CONNECTION_DESCRIPTOR)))
		return 0;
	sk = socket_at(descriptor);
	return sk ? cookie_of_socket(sk) : 0;
}

static __always_inline _Bool has_peer(__u64 request, __u64 peer)
{
	__u64 upstreams[2] = {};
	if (!request || bpf_probe_read_user(upstreams, sizeof(upstreams), (void *)(request + NGINX_REQUEST_UPSTREAM)))
		return 0;
	return upstreams[0] + NGINX_UPSTREAM_PEER == peer || upstreams[1] + NGINX_UPSTREAM_PEER == peer;
}

/* A request is about to be forwarded, maybe: an answer may come from a cache, or an address has to be looked up first. */
static __always_inline void begin_forwarding(__u64 request)
{
	struct thread_state *thread = thread_of_current(1);
	if (thread)
		thread->request = request;
}

/* The request whose upstream peer this is: the one that has just begun to be forwarded, or one that tries its next peer. */
static __always_inline __u64 request_of_peer(struct thread_state *thread, __u64 peer)
{
	struct proxy_object key = proxy_object_at(peer);
	__u64 request = thread->request, *known;
	thread->request = 0;
	if (has_peer(request, peer)) {
		if (bpf_map_update_elem(&proxy_requests, &key, &request, BPF_ANY))
			count_failure(MTLSWATCH_FAILURE_KEEP_STREAM);
		return request;
	}
	known = bpf_map_lookup_elem(&proxy_requests, &key);
	request = known ? *known : 0;
	return has_peer(request, peer) ? request : 0;
}

/* The peer is connected, or given a connection that is open: then it is sent to before anything is received. */
static __always_inline void forward_to_peer(__u64 peer)
{
	struct thread_state *thread = thread_of_current(1);
	__u64 request;
	if (!thread)
		return;
	__builtin_memset(&thread->attached, 0, sizeof(thread->attached));
	request = request_of_peer(thread, peer);
	if (request)
		thread->attached.ingress_cookie = client_of_request(request);
	thread->attached.received_cookie = thread->received_cookie;
	thread->attached.received_position = thread->received_position;
	thread->attached.flags = MTLSWATCH_STREAM_BY_SOCKET;
	thread->forwarding = 1;
}
