/* SPDX-License-Identifier: Apache-2.0 */
/* The contract as the programs' compiler lays it out. Of structs that are used only within functions, as all records are,
 * the object of the programs themselves keeps no BTF. */
#include "kernel_types.h"

#include <mtlswatch/event.h>

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct mtlswatch_header header;
struct mtlswatch_connection connection;
struct mtlswatch_io io;
struct mtlswatch_close closing;
struct mtlswatch_stream stream;
struct mtlswatch_content content;
struct mtlswatch_handshake handshake;
struct mtlswatch_certificate certificate;
struct mtlswatch_session session;
struct mtlswatch_process process;
struct mtlswatch_record_counter record_counter;
struct mtlswatch_probe_hits probe_hits;
