/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The life of processes: who is observed, and news for discovery. */
#include "kernel_types.h"

#include "ring.bpf.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

static __always_inline void tell(__u32 change, __u32 pid, __u32 parent_pid)
{
	struct mtlswatch_process *record = reserve_record(MTLSWATCH_KIND_PROCESS, sizeof(*record));
	if (!record)
		return;
	record->header.pid = pid;
	record->header.tid = pid;
	record->change = change;
	record->parent_pid = parent_pid;
	record->observed = observed(pid);
	submit_record(record);
}

/* Why this hook: a new image may be a proxy or Django. An observed process that becomes another program keeps its
 * sockets, so it stays observed, but no longer as what it was. */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_process_exec, struct task_struct *task, int old_pid)
{
	__u32 pid = task->tgid;
	__u32 after = MTLSWATCH_OBSERVED_PEER | MTLSWATCH_OBSERVED_SCANNED;
	if (observed(pid) & MTLSWATCH_OBSERVED_SCANNED)
		bpf_map_update_elem(&observed_processes, &pid, &after, BPF_ANY);
	tell(MTLSWATCH_PROCESS_EXEC, pid, 0);
	return 0;
}

/* Why this hook: workers inherit their master's sockets and its place, before they run. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_process_fork, struct task_struct *parent, struct task_struct *child)
{
	__u32 process = observed(parent->tgid);
	if (!process || parent->tgid == child->tgid)
		return 0;
	observe(child->tgid, process & ~MTLSWATCH_OBSERVED_CONTENT);
	tell(MTLSWATCH_PROCESS_FORK, child->tgid, parent->tgid);
	return 0;
}

/* Why this hook: the map entry must not outlive the process, whose number is used again. The last thread tells. */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_process_exit, struct task_struct *task)
{
	__u32 pid = task->tgid;
	if (BPF_CORE_READ(task, signal, live.counter) > 0 || !observed(pid))
		return 0;
	bpf_map_delete_elem(&observed_processes, &pid);
	tell(MTLSWATCH_PROCESS_EXIT, pid, 0);
	return 0;
}
