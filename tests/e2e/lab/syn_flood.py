#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""First packets of connections that are never completed, from all over 127.0.0.0/8: syn_flood.py PORT SECONDS. Prints their
number. Only in a network namespace of one's own, where nothing answers to what it did not ask for (see drop_resets)."""

import itertools
import random
import socket
import struct
import sys
import time

SYN, WINDOW = 0x02, 64240
HERE = socket.inet_aton("127.0.0.1")


def _checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def _packet(source, source_port, port):
    ends = source + HERE
    segment = struct.pack("!HHIIBBHHH", source_port, port, random.getrandbits(32), 0, 5 << 4, SYN, WINDOW, 0, 0)
    summed = _checksum(ends + struct.pack("!HH", socket.IPPROTO_TCP, len(segment)) + segment)
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0, 64, socket.IPPROTO_TCP, 0) + ends  # the kernel sums it
    return header + segment[:16] + struct.pack("!H", summed) + segment[18:]


def main():
    port, until = int(sys.argv[1]), time.monotonic() + float(sys.argv[2])
    out = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    for sent in itertools.count():
        if time.monotonic() >= until:
            break
        source = bytes((127, random.randrange(1, 255), random.randrange(256), random.randrange(1, 255)))
        out.sendto(_packet(source, random.randrange(1024, 65536), port), ("127.0.0.1", 0))
    print(sent)


if __name__ == "__main__":
    main()
