/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The socket behind a descriptor of the current process. */
#pragma once

#include "kernel_types.h"

#include <bpf/bpf_helpers.h>

#include <bpf/bpf_core_read.h>

#define MODE_TYPE 0170000
#define MODE_SOCKET 0140000

/* NULL: no socket. Found by number a moment after the call, so a descriptor that another thread has put in place of a
 * closed one is taken for it. */
static __always_inline struct sock *socket_at(unsigned int fd)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **files = BPF_CORE_READ(table, fd), *file = 0;
	struct socket *socket;
	if (fd >= BPF_CORE_READ(table, max_fds) || bpf_probe_read_kernel(&file, sizeof(file), files + fd) || !file)
		return 0;
	if ((BPF_CORE_READ(file, f_inode, i_mode) & MODE_TYPE) != MODE_SOCKET)
		return 0;
	socket = BPF_CORE_READ(file, private_data);
	return BPF_CORE_READ(socket, sk);
}
