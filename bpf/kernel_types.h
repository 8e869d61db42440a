/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Just the kernel types and fields that the programs read. Every access is relocated against the running kernel's BTF
 * (preserve_access_index), so order and offsets here mean nothing; a field that a kernel lacks is asked for with
 * bpf_core_field_exists. Written by hand so that the programs build where no BTF kernel runs.
 */
#pragma once

#define __VMLINUX_H__ /* bpf_tracing.h: kernel names of registers; event.h: types come from here */

#include <asm/types.h>

typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;

enum {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_SK_STORAGE = 24,
	BPF_MAP_TYPE_RINGBUF = 27,
	BPF_MAP_TYPE_TASK_STORAGE = 29,
};
enum { BPF_ANY = 0, BPF_NOEXIST = 1 };
enum { BPF_F_NO_PREALLOC = 1 };
enum { BPF_LOCAL_STORAGE_GET_F_CREATE = 1, BPF_SK_STORAGE_GET_F_CREATE = 1 };
enum { BPF_RB_NO_WAKEUP = 1, BPF_RB_FORCE_WAKEUP = 2 };
enum { BPF_RB_AVAIL_DATA = 0 };

#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define SOCK_STREAM 1
#define IPPROTO_TCP 6
#define TCP_ESTABLISHED 1
#define TCP_SYN_SENT 2
#define TCP_FIN_WAIT1 4
#define TCP_CLOSE 7
#define TCP_CLOSE_WAIT 8
#define TCP_LAST_ACK 9
#define TCP_LISTEN 10
#define MSG_OOB 0x1
#define MSG_PEEK 0x2
#define MSG_ERRQUEUE 0x2000
#define SOCK_NOSPACE 2 /* bit of struct socket's flags: a send found no space (include/linux/net.h) */
#define SOCK_DONE 1 /* bit of skc_flags: the peer's FIN came in its turn (include/net/sock.h) */

#define IA32_CODE_SEGMENT 0x23 /* __USER32_CS: system calls of 32-bit programs have other numbers */

/* System calls that make a connection, or move a message between user memory and a socket, x86-64. */
enum {
	SYSCALL_READ = 0,
	SYSCALL_WRITE = 1,
	SYSCALL_READV = 19,
	SYSCALL_WRITEV = 20,
	SYSCALL_SENDFILE = 40,
	SYSCALL_CONNECT = 42,
	SYSCALL_ACCEPT = 43,
	SYSCALL_SENDTO = 44,
	SYSCALL_RECVFROM = 45,
	SYSCALL_SENDMSG = 46,
	SYSCALL_RECVMSG = 47,
	SYSCALL_ACCEPT4 = 288,
};

/* The registers of x86-64, an ABI: uprobe programs get them as their context. */
struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx;
	unsigned long r11, r10, r9, r8, ax, cx, dx, si, di;
	unsigned long orig_ax, ip, cs, flags, sp, ss;
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct in6_addr {
	union {
		__u8 u6_addr8[16];
	} in6_u;
};

struct ns_common {
	unsigned int inum;
};

struct net {
	struct ns_common ns;
};

typedef struct {
	struct net *net;
} possible_net_t;

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	long long counter;
} atomic64_t;

struct sock_common {
	union {
		struct {
			__be32 skc_daddr;
			__be32 skc_rcv_saddr;
		};
	};
	union {
		struct {
			__be16 skc_dport;
			__u16 skc_num;
		};
	};
	unsigned short skc_family;
	volatile unsigned char skc_state;
	unsigned long skc_flags;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	atomic64_t skc_cookie;
};

struct file_operations;

struct inode {
	unsigned short i_mode;
	unsigned long i_ino;
};

struct file {
	const struct file_operations *f_op;
	struct inode *f_inode;
	void *private_data;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct vm_area_struct {
	struct file *vm_file;
};

struct socket {
	unsigned long flags;
	struct sock *sk;
};

/* A socket and its inode are one object (include/net/sock.h). */
struct socket_alloc {
	struct socket socket;
	struct inode vfs_inode;
};

struct upid {
	int nr;
};

struct pid {
	struct upid numbers[1];
};

typedef struct {
	__u32 val;
} kuid_t;

typedef struct refcount_struct {
	atomic_t refs;
} refcount_t;

struct sock {
	struct sock_common __sk_common;
	refcount_t sk_wmem_alloc;
	int sk_sndbuf;
	int sk_err;
	__u16 sk_type;
	__u16 sk_protocol;
	kuid_t sk_uid;
	struct socket *sk_socket;
	struct pid *sk_peer_pid;
};

struct tcp_sock {
	__u32 rcv_nxt;
	__u32 copied_seq;
	__u32 write_seq;
	__u64 bytes_received;
};

struct sockaddr_un {
	unsigned short sun_family;
	char sun_path[108];
};

struct unix_address {
	int len;
	struct sockaddr_un name[0];
};

struct unix_sock {
	struct sock sk;
	struct unix_address *addr;
	struct sock *peer;
};

struct signal_struct {
	atomic_t live;
};

struct cred {
	kuid_t euid;
};

struct task_struct {
	int pid;
	int tgid;
	struct signal_struct *signal;
	const struct cred *cred;
	struct files_struct *files;
	char comm[16];
};

struct linux_binprm;

struct msghdr;

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file;
};

#pragma clang attribute pop

/* The user-space forms that system calls take: ABI, no relocation. */
struct user_iovec {
	__u64 base;
	__u64 length;
};

struct user_msghdr {
	__u64 name;
	__u32 name_length;
	__u32 padding;
	__u64 vectors;
	__u64 vector_count;
};
