/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sends and receives where neither tracepoints nor function exits tell of them: the exits of the system calls. */
#define SOCKETS_ARE_ADDRESSES
#include "kernel_types.h"

#include "descriptor.bpf.h"
#include "sockets.bpf.h"

#include <bpf/bpf_tracing.h>

static __always_inline void see_birth(unsigned int fd, __u32 process)
{
	struct sock *sk = socket_at(fd);
	if (sk && is_unix_stream(sk))
		connection_of(sk, process, 1);
}

static __always_inline void see_call(struct pt_regs *registers, int result)
{
	struct sock *sk = socket_at(registers->di);
	int flags = 0;
	if (!sk)
		return;
	switch (registers->orig_ax) {
	case SYSCALL_WRITE:
	case SYSCALL_WRITEV:
	case SYSCALL_SENDTO:
	case SYSCALL_SENDMSG:
	case SYSCALL_SENDFILE:
		see_send(sk, result);
		return;
	case SYSCALL_RECVFROM:
		flags = registers->r10;
		break;
	case SYSCALL_RECVMSG:
		flags = registers->dx;
	}
	see_receive(sk, result, flags);
}

/* Why this hook: the one tracepoint that every system call passes on its way back, in kernels of any age. The calls that
 * move several messages (sendmmsg, recvmmsg) and io_uring are not seen. */
SEC("tp_btf/sys_exit")
int BPF_PROG(on_call_exit, struct pt_regs *registers, long result)
{
	__u32 process = observed(current_pid());
	if (!process || registers->cs == IA32_CODE_SEGMENT)
		return 0;
	switch (registers->orig_ax) {
	case SYSCALL_CONNECT:
		see_birth(registers->di, process);
		break;
	case SYSCALL_ACCEPT:
	case SYSCALL_ACCEPT4:
		if (result >= 0)
			see_birth(result, process);
		break;
	case SYSCALL_READ:
	case SYSCALL_WRITE:
	case SYSCALL_READV:
	case SYSCALL_WRITEV:
	case SYSCALL_SENDFILE:
	case SYSCALL_SENDTO:
	case SYSCALL_RECVFROM:
	case SYSCALL_SENDMSG:
	case SYSCALL_RECVMSG:
		see_call(registers, result);
	}
	return 0;
}
