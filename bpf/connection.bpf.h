/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Facts about a socket: what it is, its role, its stream positions, its record. Shared by sockets and iterator. */
#pragma once

#include "connection_state.bpf.h"
#include "ring.bpf.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>

/* A field of a socket. A program that got the socket as an address defines SOCKETS_ARE_ADDRESSES. */
#ifdef SOCKETS_ARE_ADDRESSES
#define FIELD(sk, field) BPF_CORE_READ(sk, field)
#else
#define FIELD(sk, field) (sk)->field
#endif

static __always_inline _Bool is_tcp(struct sock *sk)
{
	__u16 family = FIELD(sk, __sk_common.skc_family);
	return (family == AF_INET || family == AF_INET6) && FIELD(sk, sk_protocol) == IPPROTO_TCP;
}

static __always_inline _Bool is_unix_stream(struct sock *sk)
{
	return FIELD(sk, __sk_common.skc_family) == AF_UNIX && FIELD(sk, sk_type) == SOCK_STREAM;
}

static __always_inline __u32 netns_of(struct sock *sk)
{
	return BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
}

/* Bytes of the name a Unix socket is bound to, family field not counted; 0 if unbound. */
static __always_inline __u32 unix_path_bytes(struct unix_address *address)
{
	int length = address ? BPF_CORE_READ(address, len) : 0;
	return length > 2 ? length - 2 : 0;
}

/* An accepted Unix socket carries its listener's name; one that connected carries none, and its peer does. */
static __always_inline __u8 unix_role(struct sock *sk)
{
	struct unix_sock *here = (struct unix_sock *)sk;
	struct unix_sock *there = (struct unix_sock *)BPF_CORE_READ(here, peer);
	__u32 own = unix_path_bytes(BPF_CORE_READ(here, addr));
	__u32 peers = there ? unix_path_bytes(BPF_CORE_READ(there, addr)) : 0;
	if (own && !peers)
		return MTLSWATCH_ROLE_INGRESS;
	if (!own && peers)
		return MTLSWATCH_ROLE_EGRESS;
	return own ? MTLSWATCH_ROLE_UNKNOWN : MTLSWATCH_ROLE_OTHER;
}

static __always_inline _Bool listens_here(struct sock *sk)
{
	struct listening_key key = { .netns = netns_of(sk), .port = FIELD(sk, __sk_common.skc_num) };
	return bpf_map_lookup_elem(&listening_ports, &key) != 0;
}

static __always_inline __u32 sent_until(struct sock *sk)
{
	return BPF_CORE_READ((struct tcp_sock *)sk, write_seq);
}

/* A receive that finds the FIN behind its data consumes it in the same call (tcp_recvmsg_locked, found_fin_ok): copied_seq
 * then counts one more than the stream has bytes. */
static __always_inline __u32 received_until(struct sock *sk)
{
	struct tcp_sock *tcp = (struct tcp_sock *)sk;
	__u32 copied = BPF_CORE_READ(tcp, copied_seq);
	_Bool ended = BPF_CORE_READ(sk, __sk_common.skc_flags) >> SOCK_DONE & 1;
	return ended && copied == BPF_CORE_READ(tcp, rcv_nxt) ? copied - 1 : copied;
}

/* Whether the process had read from this TCP stream before copied_seq was at position. rcv_nxt counts a FIN, hence the
 * allowance of one. */
static __always_inline _Bool was_read_before(struct sock *sk, __u32 position)
{
	struct tcp_sock *tcp = (struct tcp_sock *)sk;
	__u32 first = BPF_CORE_READ(tcp, rcv_nxt) - (__u32)BPF_CORE_READ(tcp, bytes_received);
	__u32 read = position - first;
	return read != 0 && read != (__u32)-1;
}

static __always_inline void set_owner(struct connection_state *state)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	state->pid = pid_tgid >> 32;
	state->tid = (__u32)pid_tgid;
	state->uid = (__u32)bpf_get_current_uid_gid();
	state->cgroup_id = bpf_get_current_cgroup_id();
	bpf_get_current_comm(state->comm, sizeof(state->comm));
}

static __always_inline void fill_addresses(struct mtlswatch_connection *record, struct sock *sk)
{
	record->local_port = FIELD(sk, __sk_common.skc_num);
	record->remote_port = bpf_ntohs(FIELD(sk, __sk_common.skc_dport));
	if (record->family == AF_INET) {
		*(__u32 *)record->local_address = FIELD(sk, __sk_common.skc_rcv_saddr);
		*(__u32 *)record->remote_address = FIELD(sk, __sk_common.skc_daddr);
	} else {
		BPF_CORE_READ_INTO((struct in6_addr *)record->local_address, sk, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO((struct in6_addr *)record->remote_address, sk, __sk_common.skc_v6_daddr);
	}
}

static __always_inline void fill_path(struct mtlswatch_connection *record, struct unix_address *address)
{
	__u32 bytes = unix_path_bytes(address);
	if (!bytes)
		return;
	if (bytes > MTLSWATCH_PATH_BYTES)
		bytes = MTLSWATCH_PATH_BYTES;
	record->path_bytes = bytes;
	BPF_CORE_READ_INTO(&record->path, address, name[0].sun_path);
}

static __always_inline __u64 socket_identity(struct sock *sk)
{
	return address_of(sk) ^ socket_identity_key;
}

static __always_inline void fill_unix(struct mtlswatch_connection *record, struct sock *sk)
{
	struct unix_sock *here = (struct unix_sock *)sk;
	struct unix_sock *there = (struct unix_sock *)BPF_CORE_READ(here, peer);
	record->socket = socket_identity(sk);
	record->peer_pid = BPF_CORE_READ(sk, sk_peer_pid, numbers[0].nr);
	if (there)
		record->peer_socket = socket_identity(&there->sk);
	if (record->role == MTLSWATCH_ROLE_EGRESS && there)
		fill_path(record, BPF_CORE_READ(there, addr));
	else
		fill_path(record, BPF_CORE_READ(here, addr));
}

/* Writes everything behind the header of a zeroed record. */
static __always_inline void fill_connection(struct mtlswatch_connection *record, struct sock *sk,
					    const struct connection_state *state)
{
	record->cookie = state->cookie;
	record->cgroup_id = state->cgroup_id;
	record->netns = netns_of(sk);
	record->uid = state->uid;
	record->family = FIELD(sk, __sk_common.skc_family);
	record->role = state->role;
	record->flags = state->predates ? MTLSWATCH_CONNECTION_PREDATES : 0;
	__builtin_memcpy(record->comm, state->comm, sizeof(record->comm));
	if (record->family == AF_UNIX)
		fill_unix(record, sk);
	else
		fill_addresses(record, sk);
}

/* Tells the agent of this socket, in the name of its owner; again at the next occasion if the ring is full. */
static __always_inline void announce(struct sock *sk, struct connection_state *state)
{
	struct mtlswatch_connection *record = reserve_record(MTLSWATCH_KIND_CONNECTION, sizeof(*record));
	if (!record)
		return;
	record->header.pid = state->pid;
	record->header.tid = state->tid;
	fill_connection(record, sk, state);
	state->announced = 1;
	if (state->by_stranger)
		submit_urgent_record(record);
	else
		submit_record(record);
}
