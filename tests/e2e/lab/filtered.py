#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a program under a filter that kills for the system calls which came after 2018 and before io_uring's numbers, as lists of
what is allowed do that were written before: filtered.py PROGRAM [ARGUMENT...]. uretprobe and uprobe are among them."""

import os
import sys

import seccomp

UNKNOWN_CALLS = range(335, 424)


def main():
    calls = seccomp.SyscallFilter(defaction=seccomp.ALLOW)
    for number in UNKNOWN_CALLS:
        calls.add_rule(seccomp.KILL_PROCESS, number)
    calls.load()  # with no_new_privs
    os.execv(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
