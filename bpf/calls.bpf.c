/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sends and receives where the kernel has no tracepoints for them: the exits of the functions that do them. */
#include "kernel_types.h"

#include "sockets.bpf.h"

#include <bpf/bpf_tracing.h>

/* Why this hook: inet_sendmsg and inet6_sendmsg end here, from every send on a TCP socket but sendfile and kTLS. */
SEC("fexit/tcp_sendmsg")
int BPF_PROG(on_tcp_send, struct sock *sk, struct msghdr *message, unsigned long size, int result)
{
	see_send(sk, result);
	return 0;
}

/* Why this hook: likewise for receives. Linux 5.19 took an argument away; user space checks that there are five. */
SEC("fexit/tcp_recvmsg")
int BPF_PROG(on_tcp_receive, struct sock *sk, struct msghdr *message, unsigned long size, int flags, int *length, int result)
{
	see_receive(sk, result, flags);
	return 0;
}

/* Why this hook: the same for Unix stream sockets. */
SEC("fexit/unix_stream_sendmsg")
int BPF_PROG(on_unix_send, struct socket *socket, struct msghdr *message, unsigned long size, int result)
{
	see_send(socket->sk, result);
	return 0;
}

SEC("fexit/unix_stream_recvmsg")
int BPF_PROG(on_unix_receive, struct socket *socket, struct msghdr *message, unsigned long size, int flags, int result)
{
	see_receive(socket->sk, result, flags);
	return 0;
}
