/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The one door to the ring buffer: reserve, zero, stamp, submit; a full ring is counted. */
#pragma once

#include "maps.bpf.h"

/* Records of all kinds that found the ring full; stamped on every later record, so that the agent knows between which
 * two records something is missing. One per linked object file would be wrong: it is defined in sockets.bpf.c. */
extern __u64 records_lost;

extern const volatile __u8 zeros[MTLSWATCH_IO_DATA_BYTES];

static __always_inline void count_dropped(__u32 kind)
{
	struct mtlswatch_record_counter *counter = bpf_map_lookup_elem(&record_counters, &kind);
	if (counter)
		counter->dropped += 1;
	__sync_fetch_and_add(&records_lost, 1);
}

static __always_inline void count_submitted(__u32 kind)
{
	struct mtlswatch_record_counter *counter = bpf_map_lookup_elem(&record_counters, &kind);
	if (counter)
		counter->submitted += 1;
}

/* NULL: the ring is full, counted. Compared with NULL here and once only: verifiers before Linux 6.2 take a second
 * comparison for one that may still find NULL, and a record for lost behind it. */
static __always_inline void *reserve_bytes(__u32 kind, const __u32 size)
{
	void *record = bpf_ringbuf_reserve(&records, size, 0);
	if (!record) {
		count_dropped(kind);
		return 0;
	}
	count_submitted(kind);
	return record;
}

/* Fills the header, for the task with this pid and tid. Everything behind it must be written by the caller. */
static __always_inline void stamp(struct mtlswatch_header *header, __u32 kind, __u32 size, __u32 pid, __u32 tid)
{
	header->kind = kind;
	header->size = size;
	header->time_ns = bpf_ktime_get_boot_ns();
	header->records_lost = records_lost;
	header->pid = pid;
	header->tid = tid;
}

/* size must be a compile-time constant of at most 1024 bytes. NULL: the ring is full, counted. */
static __always_inline void *reserve_record(__u32 kind, const __u32 size)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	void *record = reserve_bytes(kind, size);
	if (!record)
		return 0;
	__builtin_memset(record, 0, size);
	stamp(record, kind, size, pid_tgid >> 32, (__u32)pid_tgid);
	return record;
}

/* The agent drains by a timer: a wake-up for every record would cost the observed process more than the record does. */
static __always_inline void submit_record(void *record)
{
	bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
}

/* For the rare record that the agent must act on while the process it names still exists. */
static __always_inline void submit_urgent_record(void *record)
{
	bpf_ringbuf_submit(record, BPF_RB_FORCE_WAKEUP);
}

/* Zeroes size bytes of a record's data, a constant: one copy of zeros costs the verifier nothing, where a loop of
 * stores that depends on the captured length made it give up. */
static __always_inline void zero_data(__u8 *data, const __u32 size)
{
	bpf_probe_read_kernel(data, size, (const void *)zeros);
}
