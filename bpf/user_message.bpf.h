/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where in user memory the message of the current system call lies: its number and arguments tell. */
#pragma once

#include "kernel_types.h"

#include <bpf/bpf_helpers.h>

struct user_buffer {
	__u64 address;
	__u32 contiguous_bytes; /* how much of the message lies there in one piece; 0: not found */
};

static __always_inline void first_vector(struct user_buffer *buffer, __u64 vectors)
{
	struct user_iovec vector = {};
	if (bpf_probe_read_user(&vector, sizeof(vector), (void *)vectors))
		return;
	buffer->address = vector.base;
	buffer->contiguous_bytes = vector.length > 0x7fffffff ? 0x7fffffff : vector.length;
}

/* A call that is not in this list (io_uring, sendfile, splice, the mmsg forms) leaves the buffer empty: its bytes are
 * then reported as cut, never guessed. Numbers of 32-bit programs do not collide with these for sockets. */
static __always_inline void user_buffer_of_current(struct user_buffer *buffer)
{
	struct pt_regs *registers = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
	struct user_msghdr message = {};
	switch (registers->orig_ax) {
	case SYSCALL_READ:
	case SYSCALL_WRITE:
	case SYSCALL_SENDTO:
	case SYSCALL_RECVFROM:
		buffer->address = registers->si;
		buffer->contiguous_bytes = registers->dx > 0x7fffffff ? 0x7fffffff : registers->dx;
		return;
	case SYSCALL_READV:
	case SYSCALL_WRITEV:
		first_vector(buffer, registers->si);
		return;
	case SYSCALL_SENDMSG:
	case SYSCALL_RECVMSG:
		if (!bpf_probe_read_user(&message, sizeof(message), (void *)registers->si))
			first_vector(buffer, message.vectors);
	}
}
