#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Somebody who maps libssl and calls what the agent probes as fast as he can, with pointers to nowhere and lengths beyond
measure: hostile.py SECONDS. Calls that kill the caller are made by children. Prints how many calls were made."""

import ctypes
import ctypes.util
import os
import sys
import time

GARBAGE = (0, 1, 0x1234, 0x7FFFFFFFFFFF, 0x800000000000, 0xFFFFFFFFFFFFFFFF, 0xFFFF888000000000)
LENGTHS = (0, 1, 0x7FFFFFFF, 0x7FFFFFFFFFFFFFFF, -1)
DEADLY = ("SSL_do_handshake", "SSL_CTX_add_session", "SSL_get1_session", "SSL_peek", "d2i_SSL_SESSION")


def _harmless(ssl, calls):
    """d2i_SSL_SESSION gives up at the first byte, but the probe has seen pointer and length."""
    ssl.d2i_SSL_SESSION.restype = ctypes.c_void_p
    data = ctypes.create_string_buffer(b"\xff" * 64)
    for length in LENGTHS:
        place = ctypes.c_void_p(ctypes.addressof(data))
        ssl.d2i_SSL_SESSION(None, ctypes.byref(place), ctypes.c_long(length))
    return calls + len(LENGTHS)


def _deadly(ssl, number):
    """One child, one call, most often its last."""
    child = os.fork()
    if child == 0:
        os.close(2)
        name, pointer = DEADLY[number % len(DEADLY)], GARBAGE[number % len(GARBAGE)]
        getattr(ssl, name)(ctypes.c_void_p(pointer), ctypes.c_void_p(pointer), ctypes.c_long(LENGTHS[number % len(LENGTHS)]))
        os._exit(0)
    os.waitpid(child, 0)


def main():
    ssl = ctypes.CDLL(ctypes.util.find_library("ssl"))
    until, calls, number = time.monotonic() + float(sys.argv[1]), 0, 0
    while time.monotonic() < until:
        _deadly(ssl, number)
        number += 1
        for _ in range(2000):
            calls = _harmless(ssl, calls)
    print(calls + number)


if __name__ == "__main__":
    main()
