/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Finding what is known of a socket: in the socket itself, or by its address where a program gets no more than that. An
 * address is used again, so there the socket's inode number, which is not, must be the same.
 */
#pragma once

#include "maps.bpf.h"

#include <bpf/bpf_core_read.h>

static const struct connection_state nothing_known;

/* The verifier allows no arithmetic on a pointer it trusts; a copy of its bytes is a number. */
static __always_inline __u64 address_of(struct sock *sk)
{
	struct sock *pointer = sk;
	__u64 number = 0;
	bpf_probe_read_kernel(&number, sizeof(number), &pointer);
	return number;
}

/* 0: no file has this socket (yet, or any more). */
static __always_inline __u64 inode_of(struct sock *sk)
{
	struct socket_alloc *socket = (struct socket_alloc *)BPF_CORE_READ(sk, sk_socket);
	return socket ? BPF_CORE_READ(socket, vfs_inode.i_ino) : 0;
}

static __always_inline struct connection_state *state_at_address(struct sock *sk, _Bool create)
{
	__u64 address = address_of(sk), inode = inode_of(sk);
	struct connection_state *state = bpf_map_lookup_elem(&connections_by_address, &address);
	if (!inode)
		return 0;
	if (state && state->inode == inode)
		return state;
	if (!create)
		return 0;
	if (state) /* of a socket that was at this address before */
		bpf_map_delete_elem(&connections_by_address, &address);
	bpf_map_update_elem(&connections_by_address, &address, &nothing_known, BPF_NOEXIST);
	state = bpf_map_lookup_elem(&connections_by_address, &address);
	if (state)
		state->inode = inode;
	return state;
}

/* NULL: nothing is known, or with create: it cannot be kept, counted. */
static __always_inline struct connection_state *state_of(struct sock *sk, _Bool create)
{
	struct connection_state *state;
#ifndef SOCKETS_ARE_ADDRESSES
	if (!states_by_address)
		state = bpf_sk_storage_get(&connections, sk, 0, create ? BPF_SK_STORAGE_GET_F_CREATE : 0);
	else
#endif
		state = state_at_address(sk, create);
	if (!state && create)
		count_failure(MTLSWATCH_FAILURE_CONNECTION_STATE);
	return state;
}

/* At the end of a TCP socket, which its file may have left: once. */
static __always_inline struct connection_state *state_of_closing(struct sock *sk)
{
	struct connection_state *state;
	__u64 address = address_of(sk);
	if (!states_by_address)
		return state_of(sk, 0);
	state = bpf_map_lookup_elem(&connections_by_address, &address);
	if (!state || state->closed)
		return 0;
	state->closed = 1;
	return state;
}

/* A number of this socket's own. The kernel's is for programs that get more of it than its address. */
static __always_inline __u64 new_cookie(struct sock *sk)
{
#ifdef SOCKETS_ARE_ADDRESSES
	return 1ULL << 63 | __sync_fetch_and_add(&cookies_made, 1);
#else
	return bpf_get_socket_cookie(sk);
#endif
}
