/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Writing io records: header fields from an io_part, data copied from user memory in the smallest size class that holds it. */
#pragma once

#include "ring.bpf.h"

/* One io record before it is written: its header fields and where its data lies in user memory. */
struct io_part {
	__u64 cookie;
	__u64 position;
	__u64 turn;
	struct mtlswatch_io_witness {
		__u64 cookie;
		__u64 position;
		__u64 turn;
	} witness;
	__u64 user_data;
	__u32 length;
	/* Bytes wanted from user_data. Not at a multiple of eight: there verifiers take its bounds along into emit_io, and those
	 * before Linux 6.8 forget that other callers have others (41f6f64e6999), so that branches of emit_io were left out. */
	__u32 captured;
	__u32 flags;
	__u32 received;
};

static __always_inline void write_io(const struct io_part *part, const __u32 data_class)
{
	const __u32 size = sizeof(struct mtlswatch_io) + data_class;
	struct mtlswatch_io *io = reserve_bytes(MTLSWATCH_KIND_IO, size);
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	__u32 captured = part->captured;
	if (!io)
		return;
	stamp(&io->header, MTLSWATCH_KIND_IO, size, pid_tgid >> 32, (__u32)pid_tgid);
	io->cookie = part->cookie;
	io->position = part->position;
	io->turn = part->turn;
	io->witness_cookie = part->witness.cookie;
	io->witness_position = part->witness.position;
	io->witness_turn = part->witness.turn;
	io->length = part->length;
	io->flags = part->flags;
	io->captured_bytes = 0;
	io->received = part->received;
	if (data_class) {
		if (captured > data_class)
			captured = data_class;
		zero_data(io->data, data_class);
		if (captured && !bpf_probe_read_user(io->data, captured, (void *)part->user_data)) {
			io->captured_bytes = captured;
		} else if (captured) {
			io->flags |= MTLSWATCH_IO_CUT;
			count_failure(MTLSWATCH_FAILURE_READ_DATA);
		}
	}
	submit_record(io);
}

_Static_assert(__builtin_offsetof(struct io_part, captured) % 8 == 4, "see struct io_part");

static __noinline int emit_io(const struct io_part *part)
{
	if (!part)
		return 0;
	if (part->captured == 0)
		write_io(part, 0);
	else if (part->captured <= 64)
		write_io(part, 64);
	else if (part->captured <= 512)
		write_io(part, 512);
	else
		write_io(part, MTLSWATCH_IO_DATA_BYTES);
	return 0;
}

/* One record per 2,048 wanted bytes: the first carries the turn and the witness, the others continue it. */
static __always_inline void emit_message(struct io_part *part, __u32 wanted)
{
	const __u32 length = part->length;
	const __u32 most = MTLSWATCH_IO_DATA_BYTES;
	for (int i = 0; i < MTLSWATCH_BACKEND_PREFIX_BYTES / MTLSWATCH_IO_DATA_BYTES; i++) {
		part->captured = wanted < most ? wanted : most;
		wanted -= part->captured;
		part->length = wanted ? part->captured : length - i * most;
		emit_io(part);
		if (!wanted)
			return;
		part->position += part->captured;
		part->user_data += part->captured;
		part->flags &= ~MTLSWATCH_IO_TURN;
		part->witness.cookie = 0;
	}
}
