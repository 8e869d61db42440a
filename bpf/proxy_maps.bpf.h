/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is known of the objects of a proxy whose own functions are probed, by their addresses. */
#pragma once

#include "maps.bpf.h"

/* An object of a proxy, by its address. */
struct proxy_object {
	__u64 address;
	__u32 pid;
	__u32 reserved;
};

struct proxy_session {
	__u64 started_ns;
	__u64 ingress_cookie; /* 0: no connection, or not known */
	__u32 has_streams; /* its connection is looked for at its first stream only */
	__u32 reserved;
};

/* key: a client's session, value: as above. Written at its beginning and its first stream, deleted at its end. Full: the
 * longest unused is forgotten, and its requests stay without this witness. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct proxy_object);
	__type(value, struct proxy_session);
} proxy_sessions SEC(".maps") __weak;

/* key: a stream's upstream side, value: whose request it carries. Written anew, or deleted, whenever such an object is
 * made, so that an address that is used again never speaks for its former owner. Full: as above. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct proxy_object);
	__type(value, struct stream_origin);
} proxy_streams SEC(".maps") __weak;

/* key: an upstream connection, value: the cookie of the socket that it last connected. Written at connect. A stale one
 * names a closed socket, on which nothing is sent any more. Full: as above. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct proxy_object);
	__type(value, __u64);
} proxy_connections SEC(".maps") __weak;

/* key: an upstream peer of nginx's, value: the request that it belongs to, or belonged to: whoever reads it asks that
 * request. Full: as above. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct proxy_object);
	__type(value, __u64);
} proxy_requests SEC(".maps") __weak;
