/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is common to all uprobes: that they fired is counted, and by whom a function was called may matter. */
#pragma once

#include "thread.bpf.h"

#include <bpf/bpf_core_read.h>

#define ENOENT 2

static __always_inline void count_hit(__u64 cookie)
{
	__u32 key = cookie & 0xffff;
	struct mtlswatch_probe_hits *hits = bpf_map_lookup_elem(&probe_hits, &key);
	if (!hits)
		return;
	hits->count++;
	hits->last_ns = bpf_ktime_get_boot_ns();
}

static long keep_inode(struct task_struct *task, struct vm_area_struct *area, void *found)
{
	struct file *file = BPF_CORE_READ(area, vm_file);
	*(__u64 *)found = file ? BPF_CORE_READ(file, f_inode, i_ino) : 0;
	return 0;
}

/* Whether the code at this address belongs to a TLS library. Not to be found out while another thread changes the address
 * space (-EBUSY): then no, and the handshake was not seen whole. */
static __always_inline _Bool is_of_tls_library(__u64 address)
{
	__u64 inode = 0;
	long error = bpf_find_vma(bpf_get_current_task_btf(), address, keep_inode, &inode, 0);
	if (error && error != -ENOENT)
		note_missed_call();
	return !error && inode && bpf_map_lookup_elem(&calling_files, &inode);
}

/* A probe at an instruction, or at a function's entry, where the return address is on top of the stack. */
static __always_inline _Bool take_hit(struct pt_regs *ctx)
{
	__u64 cookie = bpf_get_attach_cookie(ctx), caller = 0;
	count_hit(cookie);
	if (!(cookie & MTLSWATCH_PROBE_ASKS_CALLER))
		return 1;
	return !bpf_probe_read_user(&caller, sizeof(caller), (void *)ctx->sp) && is_of_tls_library(caller);
}

/* A return probe: the function has returned to ip. */
static __always_inline _Bool take_return_hit(struct pt_regs *ctx)
{
	__u64 cookie = bpf_get_attach_cookie(ctx);
	count_hit(cookie);
	return !(cookie & MTLSWATCH_PROBE_ASKS_CALLER) || is_of_tls_library(ctx->ip);
}
